"""What import names, frameworks and packages imply: a table of the field's habits, kept by hand.

Only names that differ, or that something hangs on, stand here; every other import is looked for under its own name.
"""

from __future__ import annotations

_DIFFERENT = """
absl absl-py | attr attrs | Bio biopython | bs4 beautifulsoup4 | Crypto pycryptodome
cv2 opencv-python-headless opencv-python opencv-contrib-python opencv-contrib-python-headless
dateutil python-dateutil | dotenv python-dotenv | dm_env dm-env | docx python-docx | faiss faiss-cpu faiss-gpu
fitz pymupdf | git GitPython | github PyGithub | google.cloud.bigquery google-cloud-bigquery
google.cloud.storage google-cloud-storage | google.protobuf protobuf | googleapiclient google-api-python-client
haiku dm-haiku | hydra hydra-core | igraph igraph python-igraph | ignite pytorch-ignite | IPython ipython | jwt PyJWT
lightning_fabric lightning-fabric | Levenshtein Levenshtein python-Levenshtein | magic python-magic
mpl_toolkits matplotlib | MySQLdb mysqlclient | nacl PyNaCl | OpenGL PyOpenGL | osgeo gdal | past future | PIL pillow
pkg_resources setuptools | psycopg2 psycopg2-binary psycopg2 | pylab matplotlib | pytorch_lightning pytorch-lightning
pytorch_metric_learning pytorch-metric-learning | rest_framework djangorestframework | rtree Rtree
segmentation_models_pytorch segmentation-models-pytorch | sentence_transformers sentence-transformers
serial pyserial | skimage scikit-image | sklearn scikit-learn | skopt scikit-optimize | slugify python-slugify
socks PySocks | sksparse scikit-sparse | stable_baselines3 stable-baselines3 | tensorflow tensorflow tensorflow-cpu
tensorflow_datasets tensorflow-datasets | tensorflow_hub tensorflow-hub
tensorflow_probability tensorflow-probability | tf_keras tf-keras | tlz toolz | torch.utils.tensorboard tensorboard
torch_geometric torch-geometric | umap umap-learn | usb pyusb | websocket websocket-client | Xlib python-xlib
yaml PyYAML | zmq pyzmq | efficientnet_pytorch efficientnet-pytorch | open_clip open-clip-torch | clip openai-clip
orbax orbax-checkpoint | orbax.checkpoint orbax-checkpoint | ale_py ale-py | community python-louvain
OpenSSL pyOpenSSL | ffmpeg ffmpeg-python | jpype JPype1 | llama_cpp llama-cpp-python | pl_bolts lightning-bolts
speech_recognition SpeechRecognition | xdist pytest-xdist | wx wxPython | boto3 boto3 | gym gym | kornia kornia
lpips lpips | prettytable prettytable | pycocotools pycocotools | pydot pydot | ruamel.yaml ruamel.yaml
tables tables | tensorboardX tensorboardX | imgaug imgaug | albumentations albumentations | numpyro numpyro
fvcore fvcore | kaggle kaggle | Cython Cython | dgl dgl | mlflow mlflow | pypdf pypdf | PyPDF2 PyPDF2
"""
_SAME = """
accelerate aiohttp altair anndata ase astropy autograd biotite bitsandbytes blackjax bokeh brax catboost chex click
cloudpickle cupy cvxpy dask datasets deepspeed diffrax diffusers distrax einops emcee equinox evaluate evosax fastai
fastapi filelock flask flax fsspec gensim geopandas gpytorch gradio graphviz gymnasium h5py holoviews httpx
huggingface_hub imageio ipdb ipykernel ipywidgets jax jaxlib jaxopt jaxtyping jinja2 joblib jupyter jupyterlab keras
langchain librosa lightgbm lightning lineax llvmlite loguru lxml matplotlib mediapipe memory_profiler mido minigrid
mujoco multiprocess mypy nbconvert nbformat netCDF4 networkx nibabel nltk notebook numba numexpr numpy omegaconf onnx
onnxruntime openai openpyxl opt_einsum optax optimistix optuna orjson packaging pandas papermill patsy peft pettingzoo
pint plotly plotnine polars pooch psutil pyarrow pydantic pydicom pygame pymc pyproj pyro pytest pytz ray redis
requests rich safetensors scanpy scipy seaborn sentencepiece shapely shap simpy spacy sqlalchemy statsmodels streamlit
sympy tabulate tensorboard tensorstore termcolor tiktoken timm tokenizers toml tomli toolz torch torchaudio
torchdiffeq torchmetrics torchsde torchvision tqdm transformers treex triton trl typer typing_extensions vllm wandb
wilds wrapt xarray xgboost xlrd xlsxwriter zarr zstandard
"""

IMPORTS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in _SAME.split()},
    **{
        words[0]: tuple(words[1:])
        for entry in _DIFFERENT.replace("\n", "|").split("|")
        if (words := entry.split())
    },
}
"""Import name (the longest dotted one wins) -> distributions that carry it; the first is taken when none is named."""

COMPANIONS: dict[str, tuple[str, ...]] = {
    "jax": ("jaxlib",),
    "torch": ("torchvision", "torchaudio"),
    "tensorflow": ("tf-keras", "tensorflow-io-gcs-filesystem"),
    "transformers": ("tokenizers", "sentencepiece", "accelerate", "safetensors", "protobuf"),
    "diffusers": ("accelerate", "safetensors"),
    "pandas": ("openpyxl", "pyarrow", "tables", "xlrd", "lxml"),
    "keras": ("tensorflow",),
    "gym": ("ale-py", "box2d-py", "mujoco-py"),
    "gymnasium": ("ale-py", "box2d-py", "mujoco"),
    "scanpy": ("leidenalg", "igraph"),
    "matplotlib": ("pyqt5", "ipympl"),
    "orbax-checkpoint": ("tensorstore",),
    "sqlalchemy": ("psycopg2-binary", "psycopg2", "pymysql"),
    "spacy": ("en-core-web-sm",),
    "ipython": ("ipykernel",),
}
"""Packages that a package loads by name, or that are released in step with it: kept when a frozen list has them."""

FOR_NOTEBOOKS = ("ipykernel", "jupyterlab", "notebook", "jupyter", "ipywidgets", "ipympl")
"""Kept when the folder holds notebooks."""

ONLY_ELSEWHERE = {
    "appnope": "macOS",
    "altgraph": "macOS's own Python",
    "macholib": "macOS's own Python",
    "py2app": "macOS",
    "pyobjc": "macOS",
    "pyobjc-core": "macOS",
    "pywin32": "Windows",
    "pywinpty": "Windows",
    "pypiwin32": "Windows",
    "wmi": "Windows",
    "win32-setctime": "Windows",
    "jax-metal": "macOS",
    "tensorflow-macos": "macOS",
    "tensorflow-metal": "macOS",
    "tensorflow-intel": "Windows",
}
"""Packages of another operating system."""

TOOLS = frozenset(
    {"pip", "setuptools", "wheel", "distribute", "virtualenv", "pipenv", "poetry", "conda", "uv"}
)
"""Packages that install packages; an environment needs none of them."""

OS_PACKAGES: dict[str, tuple[str, ...]] = {
    "opencv-python": ("libgl1", "libglib2.0-0"),
    "opencv-contrib-python": ("libgl1", "libglib2.0-0"),
    "graphviz": ("graphviz",),
    "pydot": ("graphviz",),
    "pytesseract": ("tesseract-ocr",),
    "ffmpeg-python": ("ffmpeg",),
    "moviepy": ("ffmpeg",),
    "pydub": ("ffmpeg",),
    "gitpython": ("git",),
    "python-magic": ("libmagic1",),
    "pyopengl": ("libgl1",),
    "mujoco-py": ("libgl1", "libosmesa6", "patchelf"),
    "pdf2image": ("poppler-utils",),
}
"""Distribution (normalised) -> OS packages that its wheel does not carry."""

FRAMEWORKS = {"jax": "jax", "torch": "torch", "tensorflow": "tensorflow"}
"""Distributions that come for CPUs and for GPUs -> the family."""

GPU_EXTRAS = {"jax": "cuda12", "tensorflow": "and-cuda"}
"""Family -> its extra that brings CUDA by wheels. A plain `torch` brings it already."""

BUILT_ON = {
    **dict.fromkeys(
        (
            "flax",
            "equinox",
            "optax",
            "dm-haiku",
            "chex",
            "diffrax",
            "numpyro",
            "brax",
            "blackjax",
            "distrax",
            "orbax-checkpoint",
        ),
        "jax",
    ),
    **dict.fromkeys(
        ("torchvision", "torchaudio", "pytorch-lightning", "lightning", "timm", "fastai", "torch-geometric"),
        "torch",
    ),
}
"""Distributions that bring a framework with them."""

OLD_STDLIB = frozenset(
    [
        "asynchat",
        "asyncore",
        "imp",
        "smtpd",
        "distutils",
        "aifc",
        "audioop",
        "cgi",
        "cgitb",
        "chunk",
        "crypt",
        "imghdr",
        "mailcap",
        "msilib",
        "nis",
        "nntplib",
        "ossaudiodev",
        "pipes",
        "sndhdr",
        "spwd",
        "sunau",
        "telnetlib",
        "uu",
        "xdrlib",
        "lib2to3",
        "__future__",
        "compression",
        "annotationlib",
    ]
)
"""Modules of some version of the standard library that others do not have."""


def find_distributions(module: str) -> tuple[tuple[str, ...], bool]:
    """Distributions that carry the dotted `module`, best first, and whether that is known rather than guessed."""
    parts = module.split(".")
    for count in range(len(parts), 0, -1):
        found = IMPORTS.get(".".join(parts[:count]))
        if found:
            return found, True
    return (parts[0],), False
