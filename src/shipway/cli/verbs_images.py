"""The verbs of stored images."""

from __future__ import annotations

from shipway.cli.option import CHOICE, DRY_RUN, JSON, LOCKING, PLATFORM, TARGET, Complete, Option, Takes, Verb

_HOME = "commands_images"
_IMAGE = Option("image", "Use this stored image instead of the project's", Takes.VALUE, "", "REF")
_NAME = Option(
    "name", "What the image is called there; the default is what it is called here", Takes.VALUE, "", "REF"
)
_PROJECTS = (_IMAGE, *CHOICE, *LOCKING)
_IMAGES = Option(
    "image", "Use this stored image instead of the project's; given for several platforms, they become an index",
    Takes.VALUES, "", "REF",
)  # fmt: skip
_PLATFORMS = PLATFORM._replace(
    help="The platform to use; `all` takes every one that the lock holds. The default is this machine's",
    choices=(*PLATFORM.choices, "all"),
)
_SEVERAL = (_IMAGES, TARGET, _PLATFORMS, *LOCKING)
"""Of verbs that take the images of several platforms."""

_FORMS = ("oci", "docker", "sif", "squashfs")
_COMPRESSIONS = ("keep", "none", "gzip", "zstd")

IMAGES = (
    Verb(
        "push", "Send an image to a registry",
        "Sends the project's image, built if need be, or with `--image` a stored one, and prints its digest. Layers that the "
        "registry has are not sent. `[push] allow` of the spec and SHIPWAY_PUSH_ALLOW say where images may go. Images of several "
        "platforms become an index. `--attach`, or `[push] attach` of the spec, attaches bills of materials and provenance to "
        "the project's image.",
        (("shipway push registry.example.org/team/model:1", "the project's image"),
         ("shipway push registry.example.org/team/model:1 --attach sbom --attach provenance", "with what it is made of, and how"),
         ("shipway push registry.example.org/team/model:1 --platform all", "an index of all platforms in the lock"),
         ("shipway push registry.example.org/team/model:1 --index", "beside what the tag holds for other platforms"),
         ("shipway push registry.example.org/team/base:1 --image team/base:1", "a stored one")),
        (Option("attach", "Attach this to the project's image; the default is `[push] attach` of the spec", Takes.VALUES, "",
                "WHAT", ("sbom", "provenance", "none")),
         Option("index", "Let the tag hold an index, and keep in it what it held for other platforms"),
         Option("compression", "How layers are packed; the default is `gzip`, and `keep` for images of others",
                Takes.VALUE, "", "HOW", _COMPRESSIONS),
         *_SEVERAL, DRY_RUN, JSON), "REF", home=_HOME,
    ),
    Verb(
        "pull", "Get an image from a registry",
        "Fetches what is not here, checks it against its digests, unpacks every layer beside the others, and keeps the image "
        "under its name. Of an image for several platforms the one for this machine, or for `--platform`.",
        (("shipway pull registry.example.org/team/base:1", "get an image"),
         ("shipway pull registry.example.org/team/base:1 --dry-run", "say its digest and how much would be fetched"),
         ("shipway pull registry.example.org/team/base:1 --attached about/", "and write its bills of materials into a folder")),
        (Option("attached", "Write what is attached to the image, as its bill of materials, into this folder", Takes.VALUE, "",
                "DIR", complete=Complete.FOLDER), PLATFORM, DRY_RUN, JSON), "REF", home=_HOME,
    ),
    Verb(
        "tag", "Give an image a name",
        "Names the project's image, built if need be, or a stored one, which is named first or by `--image`. What has a name is "
        "kept by `gc`. A name that is there already moves.",
        (("shipway tag team/model:1", "name the project's image"),
         ("shipway tag team/model:1 team/model:stable", "give a stored image another name")),
        (*_PROJECTS, DRY_RUN, JSON), "[IMAGE] REF", home=_HOME,
    ),
    Verb(
        "images", "List the stored images",
        "Shows every name with its digest, platform and size: what was tagged, loaded or pulled.",
        (("shipway images", "all of them"), ("shipway images team/model", "the tags of one repository")),
        (JSON,), "[REPOSITORY...]", home=_HOME,
    ),
    Verb(
        "rmi", "Forget names of images",
        "Removes names, all or none. What no other name and no project needs is deleted by the next `gc`. "
        "A digest, or its beginning, stands for an image with one name.",
        (("shipway rmi team/model:1", "forget one name; `shipway gc` then frees the disk space"),),
        (DRY_RUN, JSON), "REF...", home=_HOME,
    ),
    Verb(
        "history", "Show how an image came about, line by line",
        "Shows the history in the image's configuration, the newest line first, with the size of each layer.",
        (("shipway history", "the project's image"), ("shipway history team/base:1", "a stored image")),
        (*CHOICE, *LOCKING, JSON), "[REF]", home=_HOME,
    ),
    Verb(
        "save", "Write an image to a file or folder",
        "Writes the project's image, built if need be, or with `--image` a stored one. A folder, or a name that ends with `/`, "
        "becomes an OCI layout, to which further images can be added; anything else is an archive. `--format docker` writes "
        "what `docker load` of any version reads; `sif` and `squashfs` are one file system for Apptainer and its kin. "
         "Images of several platforms become an index. The same image is the same bytes every time.",
        (("shipway save image.tar", "an OCI archive"),
         ("shipway save --format docker image.tar", "for `docker load -i image.tar`"),
         ("shipway save layout/ --compression zstd", "an OCI layout with zstd layers"),
         ("shipway save --format sif model.sif", "for `apptainer run model.sif`")),
        (_NAME, Option("format", "Kind of file; the default is `oci`", Takes.VALUE, "", "FORMAT", _FORMS),
         Option("compression", "How layers are packed; the default is `keep`: those of others as they came, ours not at all. "
                "A file system is packed with `gzip` or `zstd`",
                Takes.VALUE, "", "HOW", _COMPRESSIONS),
         *_SEVERAL, DRY_RUN, JSON), "PATH", home=_HOME,
    ),
    Verb(
        "load", "Bring images from a file or folder into the store",
        "Reads OCI layouts, OCI archives and archives made by `docker save`, `podman save` or skopeo, also compressed ones. "
        "Everything is checked against its digests, and every layer is unpacked beside the others, never over them.",
        (("shipway load image.tar", "load it under the names in the archive"),
         ("shipway load layout --name team/base:1", "load it under another name")),
        (Option("name", "What the image is called here; the default are the names in the archive", Takes.VALUE, "", "REF"),
         PLATFORM, DRY_RUN, JSON), "PATH", home=_HOME,
    ),
)  # fmt: skip
