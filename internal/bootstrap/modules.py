# Run by package bootstrap of OMFLOW Booster: which modules OMFLOW's code imports from
# Python packages, and which of some modules this Python has, or can import.
#
# Arguments: "list", home folder, then modules that are listed too if they are here; or
# "look" or "import", then the modules that are wanted.
#
# Any Python since 2.7 must be able to run this file, so that one that is too old can
# say so.
import sys

# Before anything else is imported: to Python an empty entry is the folder that it was
# started in, where others may have put a file of that name.
sys.path[:] = [p for p in sys.path if p != ""]

import os

# How much is looked at of a home folder.
MAX_FILES = 20000
MAX_SIZE = 4 << 20


def imported(tree):
    """The modules that a file needs to be loaded: not what it imports in a function, or
    in a try, where it does without."""
    import ast

    found, todo = set(), list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found.update(a.name.split(".")[0] for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0 and node.module:
                found.add(node.module.split(".")[0])
        elif isinstance(node, (ast.If, ast.With, ast.ClassDef)):
            todo.extend(node.body)
    return found


def scan(home):
    import ast

    found, files = set(), 0
    for folder, folders, names in os.walk(home):
        # A virtual environment is Python's, and no code of OMFLOW.
        folders[:] = [f for f in folders if not f.startswith(".") and f not in ("__pycache__", "node_modules", "uploads", "logs")
                      and not os.path.exists(os.path.join(folder, f, "pyvenv.cfg"))]
        for name in names:
            if not name.endswith(".py"):
                continue
            files += 1
            path = os.path.join(folder, name)
            try:
                if files > MAX_FILES or os.path.getsize(path) > MAX_SIZE:
                    continue
                with open(path, "rb") as f:
                    tree = ast.parse(f.read())
            except (OSError, SyntaxError, ValueError, RecursionError):
                continue
            found |= imported(tree)
    own = set(os.path.splitext(name)[0] for name in os.listdir(home))
    return found - own


def spec(name):
    import importlib.util

    try:
        return importlib.util.find_spec(name)
    except BaseException:
        return None


def in_package(name, std):
    """Whether a module is here, and not a part of Python itself."""
    if name in sys.builtin_module_names:
        return False
    found = spec(name)
    if found is None:
        return False
    places = [found.origin] if found.origin else list(found.submodule_search_locations or [])
    if not places or places[0] in ("built-in", "frozen"):
        return False
    place = os.path.realpath(places[0])
    parts = place.split(os.sep)
    return "site-packages" in parts or "dist-packages" in parts or not any(place.startswith(s + os.sep) for s in std)


def packages():
    """Name and version of the package of each module."""
    try:
        from importlib import metadata
    except ImportError:  # before 3.8
        return {}
    out = {}
    for d in metadata.distributions():
        try:
            name, version = d.metadata["Name"], d.version
            tops = (d.read_text("top_level.txt") or "").split()
            if not tops:
                tops = set(str(f).replace("\\", "/").split("/")[0] for f in d.files or [])
                tops = [os.path.splitext(t)[0] for t in tops if t.endswith(".py") or "." not in t]
        except Exception:
            continue
        for top in tops:
            out.setdefault(top, (name or "", version or ""))
    return out


def load(name):
    """Why a module can't be imported: it is not here, or a library that it is made of is
    not, such as the database's own. None when it can."""
    import importlib

    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        return "it is not installed" if error.name == name else str(error)[:200]
    except BaseException as error:
        return ("%s: %s" % (type(error).__name__, error))[:200]


def main():
    import json

    # What a module prints must not get into the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    out = {"python": "%d.%d.%d" % tuple(sys.version_info[:3])}
    if sys.version_info >= (3, 7, 7):
        if sys.argv[1] == "list":
            import sysconfig

            paths = sysconfig.get_paths()
            std = [os.path.realpath(paths[k]) for k in ("stdlib", "platstdlib")]
            known = packages()
            out["modules"] = []
            for name in sorted(scan(sys.argv[2]) | set(sys.argv[3:])):
                if in_package(name, std):
                    package, version = known.get(name, ("", ""))
                    out["modules"].append({"name": name, "package": package, "version": version})
        elif sys.argv[1] == "import":
            reasons = [(name, load(name)) for name in sys.argv[2:]]
            out["failures"] = dict((name, why) for name, why in reasons if why is not None)
        else:
            out["missing"] = [name for name in sys.argv[2:] if spec(name) is None]
    answer.write(json.dumps(out))
    answer.flush()


main()
