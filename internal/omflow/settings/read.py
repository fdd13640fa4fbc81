# Imports a Django settings module and writes some of its values as JSON.
#
# Arguments: home folder, package, module, then the names that are wanted.
# DATABASES and SECRET_KEY always are.
#
# Any Python since 2.7 must be able to run this file, so that one that is too
# old can say so.
import os
import sys


def answer(out, what):
    import json

    out.write(json.dumps(what).encode("ascii"))
    out.flush()
    # Not sys.exit: threads that settings.py started may never end.
    os._exit(0)


def plain(value, depth=0):
    """What JSON can carry of a value; paths and lazy texts become texts."""
    if isinstance(value, float) and not -1e300 < value < 1e300:
        return None  # JSON has no infinity
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if depth < 6 and isinstance(value, dict):
        return dict((str(k), plain(v, depth + 1)) for k, v in value.items())
    if depth < 6 and isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v, depth + 1) for v in value]
    return str(value)


def secret(value):
    """A key as Django uses it: bytes, here in base64."""
    import base64

    if not value:
        return ""
    if not isinstance(value, bytes):
        value = str(value).encode("utf-8", "surrogatepass")
    return base64.b64encode(value).decode("ascii")


def failure(error, home):
    """What an error is, and the place in home's files that it came from."""
    place, trace = "", error.__traceback__
    variable = ""
    while trace is not None:
        name, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        if name.startswith(home):
            place = "%s, line %d" % (os.path.relpath(name, home), line)
        if isinstance(error, KeyError) and trace.tb_frame.f_globals.get("__name__") == "os":
            variable = str(error.args[0])  # from os.environ
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        place = "%s, line %d" % (os.path.relpath(error.filename, home), error.lineno or 0)
    module = ""
    if isinstance(error, ModuleNotFoundError):
        module = str(error.name or "")
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return {"type": type(error).__name__, "text": text[:500], "place": place, "variable": variable, "module": module}


def import_package(home, package):
    """Imports the package if that works. Its own __init__.py may need Django,
    which this Python may lack; settings.py need not, so that is no failure."""
    import importlib
    import types

    folder = os.path.join(home, package)
    try:
        found = importlib.import_module(package)
        if folder in [os.path.abspath(p) for p in found.__path__]:
            return
    except BaseException:
        pass
    stub = types.ModuleType(package)
    stub.__path__ = [folder]
    sys.modules[package] = stub


def main():
    home, package, module = sys.argv[1:4]
    names = sys.argv[4:]
    # The folder that Python was started in is not to be looked at before home,
    # nor by the imports of this file.
    sys.path[:] = [p for p in sys.path if p != ""]
    version = "%d.%d.%d" % tuple(sys.version_info[:3])
    # What settings.py prints must not get into the answer.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if sys.version_info < (3, 7, 7):
        answer(out, {"python": version})

    import importlib
    import json  # noqa: so that no module of home takes its place

    # As "python manage.py" finds things.
    sys.path.insert(0, home)
    sys.argv[:] = ["manage.py"]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", package + "." + module)
    import_package(home, package)
    # A compiled file counts as current when time and size of its source are
    # the same, so a value that was just changed may be missing from it.
    sys.pycache_prefix = os.path.join(home, package, "no-such-folder")
    values = {}
    try:
        settings = importlib.import_module(package + "." + module)
        for name in names:
            if hasattr(settings, name):
                values[name] = plain(getattr(settings, name))
        if hasattr(settings, "SECRET_KEY"):
            values["SECRET_KEY"] = secret(settings.SECRET_KEY)
        databases = getattr(settings, "DATABASES", {})
        values["DATABASE"] = plain(databases.get("default") if isinstance(databases, dict) else databases)
    except BaseException as error:
        answer(out, {"python": version, "failure": failure(error, home)})
    django_version = ""
    try:
        import django

        django_version = django.get_version()
    except BaseException:
        pass
    # Told by name, since settings.py or a sitecustomize may have given it back.
    import collections

    answer(out, {"python": version, "django": django_version, "hashable": hasattr(collections, "Hashable"), "values": values})


main()
