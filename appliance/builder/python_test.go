package builder_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

// wheel makes a Python package of files, in the form that pip installs.
func wheel(t *testing.T, name, version string, files map[string]string) string {
	t.Helper()
	info := name + "-" + version + ".dist-info/"
	all := maps.Clone(files)
	all[info+"METADATA"] = fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)
	all[info+"WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
	var record strings.Builder
	for file := range all {
		fmt.Fprintf(&record, "%s,,\n", file)
	}
	all[info+"RECORD"] = record.String() + info + "RECORD,,\n"
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for file, content := range all {
		w, err := z.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func digest(content string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(content))) }

// pythonServer answers with what the module greeting says.
const pythonServer = `import http.server, os, greeting
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(greeting.text.encode())
http.server.HTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
`

// The index that packages come from on other machines is not needed here:
// they are in the repository.
func TestPythonAppWithItsPackagesInTheRepositoryAnswers(t *testing.T) {
	w := newWorld(t)
	files := map[string]string{
		"requirements.txt":                     "-r requirements/base.txt\n",
		"requirements/base.txt":                "--no-index\n--find-links vendor\ngreeting==1.0\n",
		"vendor/greeting-1.0-py3-none-any.whl": wheel(t, "greeting", "1.0", map[string]string{"greeting.py": "text = 'one'\n"}),
		"app.py":                               pythonServer,
	}

	r, first := w.mustBuild(source(t, files), nil)
	_, body := w.get(w.start(r, "web"), "/")
	_, second := w.mustBuild(source(t, files), nil)
	files["requirements/base.txt"] = strings.ReplaceAll(files["requirements/base.txt"], "1.0", "2.0")
	files["vendor/greeting-2.0-py3-none-any.whl"] = wheel(t, "greeting", "2.0", map[string]string{"greeting.py": "text = 'two'\n"})
	r, third := w.mustBuild(source(t, files), nil)
	_, changed := w.get(w.start(r, "web"), "/")

	if body != "one" || changed != "two" || r.Procfile["web"] != "python app.py" {
		t.Errorf("answers = %q, %q, process types %q", body, changed, r.Procfile)
	}
	if !strings.HasPrefix(first, "-----> Python app (requirements.txt), buildpack python (built in)\n") || !strings.Contains(first, "Successfully installed greeting-1.0") {
		t.Errorf("the first build:\n%s", first)
	}
	if !strings.Contains(second, "-----> Using the packages of the last build") || strings.Contains(second, "Successfully") {
		t.Errorf("the second build installs again:\n%s", second)
	}
	if !strings.Contains(third, "Successfully installed greeting-2.0") {
		t.Errorf("the third build does not notice the change:\n%s", third)
	}
}

// lockedApp has its one package in a lock file, and a second one there that
// is for developers.
func lockedApp(t *testing.T, file string) map[string]string {
	greeting := wheel(t, "greeting", "1.0", map[string]string{"greeting.py": "import extra; text = 'locked ' + extra.text\n"})
	extra := wheel(t, "extra", "2.1", map[string]string{"extra.py": "text = 'and found'\n"})
	files := map[string]string{
		"vendor/greeting-1.0-py3-none-any.whl": greeting,
		"vendor/extra-2.1-py3-none-any.whl":    extra,
		"app.py":                               pythonServer,
	}
	switch file {
	case "uv.lock":
		files["pyproject.toml"] = "[project]\nname = \"shop\"\nversion = \"0.1.0\"\nrequires-python = \">=3.11\"\ndependencies = [\"greeting\"]\n"
		files[file] = fmt.Sprintf(`version = 1
requires-python = ">=3.11"

[[package]]
name = "extra"
version = "2.1"
source = { registry = "vendor" }
wheels = [{ path = "extra-2.1-py3-none-any.whl", hash = %q }]

[[package]]
name = "greeting"
version = "1.0"
source = { registry = "vendor" }
dependencies = [{ name = "extra", marker = "python_full_version >= '3.8'" }, { name = "missing", marker = "sys_platform == 'win32'" }]
wheels = [{ path = "greeting-1.0-py3-none-any.whl", hash = %q }]

[[package]]
name = "missing"
version = "9"
source = { registry = "vendor" }

[[package]]
name = "shop"
version = "0.1.0"
source = { virtual = "." }
dependencies = [{ name = "greeting" }]

[package.dev-dependencies]
dev = [{ name = "missing" }]
`, digest(extra), digest(greeting))
	case "poetry.lock":
		files["pyproject.toml"] = "[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\npython = \"^3.11\"\ngreeting = \"^1.0\"\n[tool.poetry.group.dev.dependencies]\nmissing = \"*\"\n"
		files[file] = fmt.Sprintf(`[[package]]
name = "extra"
version = "2.1"
optional = false
python-versions = "*"
files = [{file = "extra-2.1-py3-none-any.whl", hash = %q}]

[[package]]
name = "greeting"
version = "1.0"
optional = false
python-versions = "*"
files = [{file = "greeting-1.0-py3-none-any.whl", hash = %q}]

[package.dependencies]
extra = ">=2"
missing = {version = "*", markers = "sys_platform == \"win32\""}

[[package]]
name = "missing"
version = "9"
optional = false
python-versions = "*"
files = []

[metadata]
lock-version = "2.0"
python-versions = "^3.11"
`, digest(extra), digest(greeting))
	case "Pipfile.lock":
		lock := map[string]any{
			"_meta": map[string]any{"requires": map[string]string{"python_version": "3.11"}, "sources": []any{}},
			"default": map[string]any{
				"greeting": map[string]any{"version": "==1.0", "hashes": []string{digest(greeting), digest("")}},
				"extra":    map[string]any{"version": "==2.1", "hashes": []string{digest(extra)}, "markers": "python_version >= '3.8'"},
			},
			"develop": map[string]any{"missing": map[string]any{"version": "==9"}},
		}
		text, err := json.Marshal(lock)
		if err != nil {
			t.Fatal(err)
		}
		files["Pipfile"], files[file] = "", string(text)
	case "pylock.toml":
		files[file] = fmt.Sprintf("lock-version = '1.0'\nrequires-python = '>=3.11'\n"+
			"[[packages]]\nname = 'extra'\nversion = '2.1'\nwheels = [{path = 'vendor/extra-2.1-py3-none-any.whl', hashes = {sha256 = '%s'}}]\n"+
			"[[packages]]\nname = 'greeting'\nversion = '1.0'\nwheels = [{path = 'vendor/greeting-1.0-py3-none-any.whl', hashes = {sha256 = '%s'}}]\n"+
			"[[packages]]\nname = 'missing'\nversion = '9'\nmarker = \"sys_platform == 'win32'\"\n",
			strings.TrimPrefix(digest(extra), "sha256:"), strings.TrimPrefix(digest(greeting), "sha256:"))
	}
	return files
}

// vendored is config that has pip find packages in the repository only.
var vendored = map[string]string{"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/tmp/build/vendor"}

func TestLockFilesOfPythonsToolsAreInstalledAsTheyAre(t *testing.T) {
	w := newWorld(t)
	for _, file := range []string{"uv.lock", "poetry.lock", "Pipfile.lock", "pylock.toml"} {
		t.Run(file, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: appliance.AppName(strings.ToLower(strings.ReplaceAll(file, ".", "")))}
			files := lockedApp(t, file)
			r, first := w.mustBuild(source(t, files), vendored)
			_, body := w.get(w.start(r, "web"), "/")
			_, second := w.mustBuild(source(t, files), vendored)

			if body != "locked and found" || !strings.Contains(first, "pip, with what "+file+" holds") {
				t.Errorf("answer = %q\n%s", body, first)
			}
			if !strings.Contains(second, "Using the packages of the last build: "+file+" is the same") {
				t.Errorf("the second build installs again:\n%s", second)
			}
		})
	}
}

// The attack: an index gives out another file than the one that was locked.
func TestPackageThatIsNotTheLockedOneIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, file := range []string{"uv.lock", "poetry.lock", "Pipfile.lock", "pylock.toml"} {
		t.Run(file, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: "blog"}
			files := lockedApp(t, file)
			files["vendor/extra-2.1-py3-none-any.whl"] = wheel(t, "extra", "2.1", map[string]string{"extra.py": "text = 'evil'\n"})

			_, out, err := w.build(source(t, files), vendored)

			if err == nil || !strings.Contains(err.Error(), "pip install ended with status 1") || !strings.Contains(out, "DO NOT MATCH THE HASHES") {
				t.Errorf("error = %v\n%s", err, out)
			}
		})
	}
}

func TestPythonVersionOfTheStackIsUsedOrTheBuildSaysWhatThereIs(t *testing.T) {
	w := newWorld(t)
	app := map[string]string{"app.py": "import os; os.environ['PORT']"}
	for file, content := range map[string]string{".python-version": "3.11\n", "runtime.txt": "python-3.11.4\n"} {
		files := maps.Clone(app)
		files[file] = content
		if _, out := w.mustBuild(source(t, files), nil); !strings.Contains(out, "-----> Using Python 3.11.") || !strings.Contains(out, file+" asks for 3.11") {
			t.Errorf("%s:\n%s", file, out)
		}
	}
	for file, content := range map[string]string{".python-version": "# ours\n3.13.1\n", "runtime.txt": "python-2.7.18", "Pipfile.lock": `{"_meta": {"requires": {"python_version": "3.9"}}}`} {
		files := maps.Clone(app)
		files[file] = content
		w.mustFail(source(t, files), "("+file+"), and the stack has 3.11.", "buildpacks:set blog heroku/python")
	}
	app[".python-version"] = "system"
	w.mustFail(source(t, app), `says "system", which is no version`, "write 3.11 into .python-version")
}

// django is as much of Django as its manage.py and its settings use.
func django(t *testing.T) string {
	return wheel(t, "django", "5.2", map[string]string{"django/__init__.py": "", "django/core.py": `import os, sys
def execute(argv):
    if argv[1] == "collectstatic":
        if os.environ["MODE"] == "broken": sys.exit("django.core.exceptions.ImproperlyConfigured: no database")
        if os.environ["MODE"] == "no-root": sys.exit("ImproperlyConfigured: You're using the staticfiles app without having set the STATIC_ROOT setting to a filesystem path.")
        os.mkdir("staticfiles"); open("staticfiles/site.css", "w").write("b{}"); print("1 static file copied.")
    else: print(argv)
`})
}

func TestDjangosStaticFilesAreCollected(t *testing.T) {
	w := newWorld(t)
	files := map[string]string{
		"requirements.txt":                   "--no-index\n--find-links vendor\ndjango\ngunicorn\n",
		"vendor/django-5.2-py3-none-any.whl": django(t),
		"vendor/gunicorn-23-py3-none-any.whl": wheel(t, "gunicorn", "23", map[string]string{
			"gunicorn/__init__.py": "def run(): print('gunicorn runs')\n", "gunicorn-23.dist-info/entry_points.txt": "[console_scripts]\ngunicorn = gunicorn:run\n"}),
		"manage.py":    "import sys; from django.core import execute; execute(sys.argv)\n",
		"shop/wsgi.py": "application = None\n",
	}

	r, out := w.mustBuild(source(t, files), map[string]string{"MODE": "good"})
	_, noRoot := w.mustBuild(source(t, files), map[string]string{"MODE": "no-root"})
	_, disabled := w.mustBuild(source(t, files), map[string]string{"MODE": "broken", "DISABLE_COLLECTSTATIC": "1"})
	_, _, err := w.build(source(t, files), map[string]string{"MODE": "broken"})

	if css := w.run(r, "cat", "/app/staticfiles/site.css"); css != "b{}" || !strings.Contains(out, "1 static file copied.") {
		t.Errorf("the file holds %q\n%s", css, out)
	}
	if r.Procfile["web"] != "gunicorn --bind 0.0.0.0:$PORT shop.wsgi" || !strings.HasSuffix(w.run(r, "/start", "web"), "gunicorn runs\n") {
		t.Errorf("process types = %q", r.Procfile)
	}
	if !strings.Contains(noRoot, "!     static files are not collected") || !strings.Contains(disabled, "DISABLE_COLLECTSTATIC") {
		t.Errorf("output without STATIC_ROOT:\n%s\nand disabled:\n%s", noRoot, disabled)
	}
	if err == nil || !strings.Contains(err.Error(), "ImproperlyConfigured: no database") || !strings.Contains(appliance.HintOf(err), "config:set blog DISABLE_COLLECTSTATIC=1") {
		t.Errorf("error = %v (%s)", err, appliance.HintOf(err))
	}
}

func TestPythonFrameworksStartWithTheServerThatIsThere(t *testing.T) {
	w := newWorld(t)
	program := func(name string) string {
		return wheel(t, name, "1", map[string]string{name + ".py": "def run(): pass\n", name + "-1.dist-info/entry_points.txt": "[console_scripts]\n" + name + " = " + name + ":run\n"})
	}
	for name, test := range map[string]struct{ servers, file, text, web string }{
		"Flask with gunicorn":  {"gunicorn flask", "app.py", "from flask import Flask\napp = Flask(__name__)\n", "gunicorn --bind 0.0.0.0:$PORT app:app"},
		"Flask alone":          {"flask", "main.py", "import flask\nsite: flask.Flask = flask.Flask(__name__)\n", "flask --app main:site run --host 0.0.0.0 --port $PORT"},
		"FastAPI with uvicorn": {"uvicorn", "main.py", "from fastapi import FastAPI\napi = FastAPI(title='x')\n", "uvicorn --host 0.0.0.0 --port $PORT main:api"},
		"any other of WSGI":    {"gunicorn", "wsgi.py", "from shop import create\napplication = create()\n", "gunicorn --bind 0.0.0.0:$PORT wsgi:application"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: "blog"}
			files := map[string]string{test.file: test.text, "requirements.txt": "--no-index\n--find-links vendor\n" + strings.ReplaceAll(test.servers, " ", "\n") + "\n"}
			for server := range strings.FieldsSeq(test.servers) {
				files["vendor/"+server+"-1-py3-none-any.whl"] = program(server)
			}

			r, out := w.mustBuild(source(t, files), nil)

			if r.Procfile["web"] != test.web {
				t.Errorf("web = %q, want %q\n%s", r.Procfile["web"], test.web, out)
			}
		})
	}
}

func TestPythonPackageOfTheRepositoryItselfIsThereWhereTheAppRuns(t *testing.T) {
	w := newWorld(t)

	r, out := w.mustBuild(source(t, map[string]string{
		"setup.py":             "from setuptools import setup\nsetup(name='shop', version='1', packages=['shop'], package_dir={'': 'src'}, entry_points={'console_scripts': ['shop=shop:run']})\n",
		"src/shop/__init__.py": "def run(): print('the shop is open at', __file__)\n",
		"Procfile":             "web: shop\n",
	}), map[string]string{"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"})

	if said := w.run(r, "/start", "web"); said != "the shop is open at /app/src/shop/__init__.py\n" {
		t.Errorf("it says %q\n%s", said, out)
	}
}

// Debian's Flask and Django, by an Aptfile: real ones, where there is no index.
func TestFlaskOfDebianAnswersBehindGunicorn(t *testing.T) {
	w := newWorld(t)

	r, out := w.mustBuild(source(t, map[string]string{
		"Aptfile":          "python3-flask\ngunicorn\n",
		"requirements.txt": "--no-index\nflask>=2\n",
		"app.py":           "from flask import Flask, request\napp = Flask(__name__)\n@app.route('/')\ndef home(): return 'from ' + request.environ['SERVER_SOFTWARE'].split('/')[0]\n",
	}), nil)
	_, body := w.get(w.start(r, "web"), "/")

	if body != "from gunicorn" || !strings.Contains(out, "Requirement already satisfied: flask>=2") {
		t.Errorf("answer = %q, process types %q\n%s", body, r.Procfile, out)
	}
}

func TestDjangoOfDebianAnswersWithItsStaticFilesCollected(t *testing.T) {
	w := newWorld(t)

	r, out := w.mustBuild(source(t, map[string]string{
		"Aptfile":   "python3-django\ngunicorn\n",
		"manage.py": "import os, sys\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\nfrom django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n",
		"shop/settings.py": "import os\nSECRET_KEY = os.environ['SECRET_KEY']\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'shop.urls'\nSTATIC_URL = 'static/'\nSTATIC_ROOT = 'collected'\n" +
			"INSTALLED_APPS = ['django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.admin', 'django.contrib.messages', 'django.contrib.staticfiles']\n",
		"shop/urls.py": "import os\nfrom django.http import HttpResponse\nfrom django.urls import path\nurlpatterns = [path('', lambda request: HttpResponse('django, ' + str(os.path.exists('collected/admin/css/base.css'))))]\n",
		"shop/wsgi.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\nfrom django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
	}), map[string]string{"SECRET_KEY": "s"})
	_, body := w.get(w.start(r, "web", "SECRET_KEY=s"), "/")

	if body != "django, True" || r.Procfile["web"] != "gunicorn --bind 0.0.0.0:$PORT shop.wsgi" {
		t.Errorf("answer = %q, process types %q\n%s", body, r.Procfile, out)
	}
}
