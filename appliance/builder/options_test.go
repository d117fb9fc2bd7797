package builder_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
	"github.com/berthhq/berth/appliance/enginetest"
)

func TestBuildOptionsAreReadAsPeopleWriteThem(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"words":                     {[]string{"--build-arg", "A=b c", "--no-cache"}, "--build-arg A=b c|--no-cache"},
		"all in one":                {[]string{"--build-arg A=1 --build-arg 'B=2 3' --no-cache"}, "--build-arg A=1|--build-arg B=2 3|--no-cache"},
		"joined":                    {[]string{"--build-arg=A=b=c", "--target=prod", "--no-cache=true"}, "--build-arg A=b=c|--target prod|--no-cache"},
		"an argument of the config": {[]string{"--build-arg", "A"}, "--build-arg A"},
		"an empty argument":         {[]string{"--build-arg", "A="}, "--build-arg A="},
		"a secret":                  {[]string{"--secret", "id=npm,env=NPM_TOKEN"}, "--secret id=npm,env=NPM_TOKEN"},
		"a secret of that name":     {[]string{"--secret", "type=env,id=NPM_TOKEN"}, "--secret id=NPM_TOKEN,env=NPM_TOKEN"},
	} {
		options, err := builder.ParseOptions(tt.args)

		var got []string
		for _, o := range options {
			got = append(got, o.String())
		}
		if strings.Join(got, "|") != tt.want || err != nil {
			t.Errorf("%s: options = %q, %v, want %q", name, got, err, tt.want)
		}
	}
}

// An option of docker build can read files of the machine (--secret src=,
// --build-context), join its network (--network host) and lift every limit.
func TestBuildOptionsThatAreNotKnownAreRefused(t *testing.T) {
	for _, line := range []string{
		"--network=host", "--privileged", "--build-context x=/etc", "--secret id=x,src=/etc/shadow", "--secret id=x,source=/etc/shadow",
		"--secret env=X", "--secret id=../x,env=X", "--secret id=x,env=X=Y", "--ssh default", "-f /etc/passwd", "--file=/etc/passwd", "--memory 1g",
		"--add-host a:1.2.3.4", "--security-opt seccomp=unconfined", "--pull", "--no-cache=no", "--target", "--target a/b", "--target -x",
		"--build-arg", "--build-arg 1A=b", "--build-arg =b", "--build-arg A=b c", "--build-arg 'A=b", "word", "--", "--build-arg A=hunter2 hunter2",
	} {
		for _, args := range [][]string{{line}, strings.Fields(line)} {
			options, err := builder.ParseOptions(args)

			if !errors.Is(err, appliance.ErrInvalid) || appliance.HintOf(err) == "" {
				t.Errorf("%q: %v, %v, want ErrInvalid with a hint", args, options, err)
			} else if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: the error quotes a value: %v", args, err)
			}
		}
	}
}

func TestBuildOptionsReachTheBuildWithValuesOfTheConfig(t *testing.T) {
	var engine enginetest.Fake
	t.Cleanup(engine.Close)
	out := &strings.Builder{}
	req := builder.Request{
		App: "blog", Tag: "blog:1", Source: source(t, map[string]string{"Dockerfile": "FROM scratch\nCMD [\"/x\"]\n"}), Out: out,
		Fence: appliance.Fence{Memory: 7},
		Env:   map[string]string{"A": "config a", "NPM_TOKEN": "sEcReT", "OTHER": "not asked for"},
		Settings: builder.Settings{Options: []string{
			"--build-arg A", "--build-arg B=it's b", "--secret id=npm,env=NPM_TOKEN", "--target prod", "--no-cache",
		}},
	}

	_, err := builder.Dockerfile{}.Build(t.Context(), &engine, req)

	if err != nil {
		t.Fatal(err)
	}
	spec := engine.Built()[0]
	if want := map[string]string{"A": "config a", "B": "it's b"}; !maps.Equal(spec.Args, want) {
		t.Errorf("arguments = %q, want %q", spec.Args, want)
	}
	if len(spec.Secrets) != 1 || string(spec.Secrets["npm"]) != "sEcReT" {
		t.Errorf("secrets = %q", spec.Secrets)
	}
	if spec.Target != "prod" || !spec.Fresh || spec.Fence.Memory != 7 || spec.App != "blog" {
		t.Errorf("spec = %+v", spec)
	}
	if strings.Contains(out.String(), "sEcReT") {
		t.Errorf("the secret is printed:\n%s", out)
	}
}

func TestBuildOptionWithoutItsConfigValueSaysHowToSetIt(t *testing.T) {
	for option, want := range map[string]string{
		"--build-arg A":         "config:set --no-restart blog A=…",
		"--secret id=npm,env=N": "config:set --no-restart blog N=…",
	} {
		_, err := builder.Dockerfile{}.Build(t.Context(), nil, builder.Request{
			App: "blog", Source: source(t, map[string]string{"Dockerfile": "FROM scratch\n"}), Out: &strings.Builder{},
			Settings: builder.Settings{Options: []string{option}},
		})

		if err == nil || !strings.Contains(err.Error(), option) || !strings.Contains(appliance.HintOf(err), want) {
			t.Errorf("%s: %v, hint %q, want %q", option, err, appliance.HintOf(err), want)
		}
	}
}
