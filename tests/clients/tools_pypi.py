"""A private index of Python packages, pypiserver, with one package: `tools_pypi.py CERTIFICATE FOLDER`; `ACCOUNT` is USER:PASSWORD."""
import os
import pathlib
import zipfile

import pypiserver

FOLDER = pathlib.Path(sys.argv[2])
INFO = "private_thing-1.0.dist-info/"

with zipfile.ZipFile(FOLDER / "private_thing-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("private_thing.py", "print('installed')\n")
    wheel.writestr(INFO + "METADATA", "Metadata-Version: 2.1\nName: private-thing\nVersion: 1.0\n")
    wheel.writestr(INFO + "WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(INFO + "RECORD", "")


def known(user, password):
    return f"{user}:{password}" == os.environ["ACCOUNT"]


serve(pypiserver.app(roots=[FOLDER], authenticate=["list", "download", "update"], auther=known, disable_fallback=True))
