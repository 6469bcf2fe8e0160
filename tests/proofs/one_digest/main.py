import numpy, yaml, docopt, hello
print(hello.greet(), numpy.arange(3), docopt.__version__)
