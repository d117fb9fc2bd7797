"""locked.py FILE DIR reads a lock file of Pipenv, Poetry or uv, or a
pylock.toml, and writes what pip is to install of it, without development
dependencies: DIR/hashed, packages of an index with the digests that the lock
file has of them, and DIR/others, what has none, such as a commit of a
repository. Of a Pipfile without a lock file, it is DIR/wanted: what pip is
to find versions for."""

import json
import os
import re
import sys
import tomllib

from pip._vendor.packaging.markers import Marker
from pip._vendor.packaging.specifiers import SpecifierSet

PYPI = "https://pypi.org/simple"
here = ".".join(map(str, sys.version_info[:3]))


def stop(why):
    sys.exit(" !     " + why)


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def applies(marker, extras=("",)):
    if not marker:
        return True
    parsed = Marker(marker)
    return any(parsed.evaluate({"extra": extra}) for extra in extras or ("",))


def check_python(wanted, what):
    if wanted and not SpecifierSet(wanted).contains(here):
        stop(f"{what} is for Python {wanted}, and this is {here}")


class Output:
    def __init__(self):
        self.hashed, self.others, self.wanted, self.options = [], [], [], []

    def package(self, name, version, hashes):
        line = f"{name}=={version}"
        if hashes:
            self.hashed.append(" \\\n  ".join([line] + sorted(f"--hash={h}" for h in set(hashes))))
        else:
            self.others.append(line)

    def git(self, name, url, commit, subdirectory=None):
        url = url.removeprefix("git+")
        self.others.append(f"{name} @ git+{url}@{commit}" + (f"#subdirectory={subdirectory}" if subdirectory else ""))

    def path(self, path, editable=False):
        path = "." if path == "." else "./" + path.removeprefix("./")
        self.others.append(("-e " if editable else "") + path)

    def indexes(self, urls):
        """The first is the one to ask; with digests, none can slip in."""
        urls = list(dict.fromkeys(url.rstrip("/") for url in urls))
        remote = [url for url in urls if "://" in url]
        self.options += [f"--find-links {url.removeprefix('file://')}" for url in urls if "://" not in url]
        if remote and remote != [PYPI]:
            self.options += [f"--index-url {remote[0]}"] + [f"--extra-index-url {url}" for url in remote[1:]]

    def write(self, directory):
        for name, lines in (("hashed", self.hashed), ("others", self.others), ("wanted", self.wanted)):
            with open(os.path.join(directory, name), "w") as file:
                if lines:
                    file.write("\n".join(self.options + lines) + "\n")


def pipfile(lock, out):
    out.indexes(source["url"] for source in lock.get("_meta", {}).get("sources", []))
    for name, entry in lock.get("default", {}).items():
        if not applies(entry.get("markers")):
            continue
        if "git" in entry:
            out.git(name, entry["git"], entry["ref"], entry.get("subdirectory"))
        elif "path" in entry:
            out.path(entry["path"], entry.get("editable", False))
        elif "file" in entry:
            out.others.append(f"{name} @ {entry['file']}")
        elif str(entry.get("version", "")).startswith("=="):
            out.package(name, entry["version"][2:], entry.get("hashes"))
        else:
            stop(f"{name} has no version in it")


def walk(roots, edges):
    """All packages that roots lead to. An edge is a package and the extras
    that are wanted of it."""
    seen, waiting = {}, list(roots)
    while waiting:
        package, extras = waiting.pop()
        extras = frozenset(extras)
        known = seen.setdefault(id(package), (package, set()))[1]
        new = {""} | extras if not known else extras - known
        if not new - known:
            continue
        known |= new
        waiting += edges(package, sorted(known))
    return [package for package, _ in seen.values()]


def uv(lock, out):
    check_python(lock.get("requires-python"), "uv.lock")
    packages = {}
    for package in lock.get("package", []):
        packages.setdefault(normal(package["name"]), []).append(package)

    def find(edge):
        found = packages.get(normal(edge["name"]), [])
        found = [p for p in found if edge.get("version") in (None, p.get("version")) and edge.get("source") in (None, p["source"])]
        if len(found) != 1:
            stop(f"{edge['name']} is in it {len(found)} times")
        return found[0]

    def edges(package, extras):
        wanted = list(package.get("dependencies", []))
        for extra in extras:
            wanted += package.get("optional-dependencies", {}).get(extra, [])
        return [(find(e), e.get("extra", [])) for e in wanted if applies(e.get("marker"), extras)]

    local = ("virtual", "editable", "directory")
    roots = [p for found in packages.values() for p in found if any(p["source"].get(kind) == "." for kind in local)]
    if not roots:
        stop("it has no package that is the app")
    chosen = walk([(p, ()) for p in roots], edges)
    out.indexes(p["source"]["registry"] for p in chosen if "registry" in p["source"])
    for package in chosen:
        source, name = package["source"], package["name"]
        if "registry" in source:
            files = package.get("wheels", []) + ([package["sdist"]] if "sdist" in package else [])
            out.package(name, package["version"], [f["hash"] for f in files if "hash" in f])
        elif "git" in source:
            url, _, commit = source["git"].partition("#")
            url, _, query = url.partition("?")
            subdirectory = re.search(r"subdirectory=([^&]*)", query)
            out.git(name, url, commit, subdirectory and subdirectory[1])
        elif "url" in source:
            out.others.append(f"{name} @ {source['url']}")
        elif "virtual" not in source:
            kind = next(kind for kind in ("editable", "directory", "path") if kind in source)
            out.path(source[kind], kind == "editable")


def poetry(lock, out):
    wanted = lock.get("metadata", {}).get("python-versions", "")
    if re.fullmatch(r"[<>=!0-9., ]+", wanted):  # and not Poetry's own ^3.11
        check_python(wanted, "poetry.lock")
    packages = {}
    for package in lock.get("package", []):
        packages.setdefault(normal(package["name"]), []).append(package)
    with open("pyproject.toml", "rb") as file:
        project = tomllib.load(file)
    settings = project.get("tool", {}).get("poetry", {})

    def edges_of(dependencies, extras):
        found = []
        for name, entries in dependencies.items():
            if name == "python":
                continue
            for entry in entries if isinstance(entries, list) else [entries]:
                entry = entry if isinstance(entry, dict) else {"version": entry}
                marker = entry.get("markers")
                if entry.get("optional") and not (marker and "extra" in marker):
                    continue
                if not applies(marker, extras):
                    continue
                for package in packages.get(normal(name), []):
                    if fits(package, entry):
                        found.append((package, entry.get("extras", [])))
        return found

    def fits(package, entry):
        if len(packages[normal(package["name"])]) == 1:
            return True
        wanted = entry.get("version", "*")
        return not re.fullmatch(r"[<>=!0-9., ab]+", wanted) or SpecifierSet(wanted).contains(package["version"], prereleases=True)

    if all("groups" in p for found in packages.values() for p in found):
        chosen = []
        for package in (p for found in packages.values() for p in found):
            marker = package.get("markers")
            marker = marker.get("main") if isinstance(marker, dict) else marker
            if "main" in package["groups"] and not package.get("optional") and applies(marker):
                chosen.append(package)
    else:
        roots = edges_of(settings.get("dependencies", {}), ("",))
        for line in project.get("project", {}).get("dependencies", []):
            name = re.match(r"[A-Za-z0-9._-]+", line)[0]
            extras = re.match(r"[A-Za-z0-9._-]+\s*\[([^]]*)\]", line)
            marker = line.partition(";")[2]
            if applies(marker.strip()):
                roots += [(p, [e.strip() for e in extras[1].split(",")] if extras else []) for p in packages.get(normal(name), [])]
        chosen = walk(roots, lambda package, extras: edges_of(package.get("dependencies", {}), extras))

    old = lock.get("metadata", {}).get("files", {})
    sources = [p["source"]["url"] for p in chosen if p.get("source", {}).get("type") == "legacy"]
    out.indexes((sources + [PYPI]) if sources else [])
    for package in chosen:
        source = package.get("source", {})
        if source.get("type") == "git":
            out.git(package["name"], source["url"], source["resolved_reference"], source.get("subdirectory"))
        elif source.get("type") in ("directory", "file"):
            out.path(source["url"], package.get("develop", False))
        elif source.get("type") == "url":
            out.others.append(f"{package['name']} @ {source['url']}")
        else:
            files = package.get("files") or old.get(package["name"], [])
            out.package(package["name"], package["version"], [f["hash"] for f in files])
    if settings.get("package-mode", True) and "build-system" in project:
        out.path(".", editable=True)


def pylock(lock, out):
    check_python(lock.get("requires-python"), "pylock.toml")
    indexes = []
    for package in lock.get("packages", []):
        if not applies(package.get("marker")):
            continue
        name = package["name"]
        if "vcs" in package:
            vcs = package["vcs"]
            out.git(name, vcs.get("url") or vcs["path"], vcs["commit-id"], vcs.get("subdirectory"))
        elif "directory" in package:
            out.path(package["directory"]["path"], package["directory"].get("editable", False))
        elif "archive" in package:
            out.others.append(f"{name} @ {package['archive']['url']}" if "url" in package["archive"] else "./" + package["archive"]["path"])
        else:
            files = package.get("wheels", []) + ([package["sdist"]] if "sdist" in package else [])
            indexes.append(package.get("index", PYPI))
            out.package(name, package["version"], [f"sha256:{f['hashes']['sha256']}" for f in files if "sha256" in f.get("hashes", {})])
    out.indexes(indexes)


def pipfile_unlocked(wanted, out):
    out.indexes(source["url"] for source in wanted.get("source", []))
    for name, entry in wanted.get("packages", {}).items():
        entry = entry if isinstance(entry, dict) else {"version": entry}
        name += "[" + ",".join(entry["extras"]) + "]" if entry.get("extras") else ""
        marker = f" ; {entry['markers']}" if entry.get("markers") else ""
        if "git" in entry:
            out.git(name, entry["git"], entry.get("ref", "HEAD"), entry.get("subdirectory"))
        elif "path" in entry:
            out.path(entry["path"], entry.get("editable", False))
        else:
            out.wanted.append(name + entry.get("version", "*").removeprefix("*") + marker)
    out.wanted, out.others = out.others + out.wanted, []


def main(file, directory):
    out = Output()
    try:
        with open(file, "rb") as f:
            lock = json.load(f) if file == "Pipfile.lock" else tomllib.load(f)
    except ValueError as error:
        stop(f"{file} cannot be read: {error}")
    {
        "Pipfile.lock": pipfile, "uv.lock": uv, "poetry.lock": poetry, "pylock.toml": pylock, "Pipfile": pipfile_unlocked,
    }[file](lock, out)
    out.write(directory)


main(*sys.argv[1:])
