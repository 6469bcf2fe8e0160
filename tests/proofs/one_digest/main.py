import docopt
import hello
import numpy as np
import yaml

print(hello.greet(), np.arange(3), docopt.__version__, yaml.safe_load("[1]"))
