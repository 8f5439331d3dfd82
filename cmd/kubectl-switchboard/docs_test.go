package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// block of commands of a page. how is what it can't be run without, such as needs-nodes; refused, when it is to fail; or
// empty.
type block struct{ text, how string }

var blocks = regexp.MustCompile("(?ms)^```sh(?: ([a-z-]+))?\n(.*?)^```$")

func blocksOf(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var found []block
	for _, m := range blocks.FindAllStringSubmatch(string(text), -1) {
		found = append(found, block{text: m[2], how: m[1]})
	}
	return found
}

// prepared is what a tutorial expects to be there, as its page says.
var prepared = map[string]string{
	"tutorial-platform.md": "",
	"tutorial-gitops.md":   "kubectl apply --server-side -k config/default; kubectl apply -k config/samples/regions",
	"tutorial-tenant-owner.md": `kubectl apply --server-side -k config/default; kubectl apply -k config/samples/regions
		kubectl switchboard onboard hotel-berlin --region eu-central --hostname a.example --retention Messages=90,MessageMetadata=365; kubectl apply -f hotel-berlin`,
	"tutorial-auditor.md": `kubectl apply --server-side -k config/default; kubectl apply -k config/samples/regions
		kubectl switchboard onboard hotel-berlin --region eu-central --hostname a.example --retention Messages=90,MessageMetadata=365; kubectl apply -f hotel-berlin`,
}

// asPeopleDo runs kubectl, but for one thing: that a tenant without nodes is not fine yet ends no script.
const asPeopleDo = `set -euo pipefail
kubectl() { command kubectl "$@" || { code=$?; [ "$1 $2 $code" = "switchboard status 1" ] || return $code; }; }
`

// asTheOperator labels namespaces with their region, as the operator does: admission policies go by that.
const asTheOperator = `for tenant in $(kubectl get tenants -o jsonpath='{range .items[*]}{.metadata.name}={.spec.region}{"\n"}{end}'); do
	kubectl --as system:serviceaccount:switchboard-system:switchboard-operator label --overwrite namespace "tenant-${tenant%=*}" "messaging.switchboard.dev/region=${tenant#*=}"
done
`

// wants waits until something has come about.
func wants(t *testing.T, what string, have func() bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !have(); {
		if time.Now().After(until) {
			t.Fatal("it never came about: " + what)
		}
	}
}

// TestTutorialsRun runs every command of the tutorials that needs no node, by kubectl and the built plugin, against an API
// server that has nothing but what the page expects.
func TestTutorialsRun(t *testing.T) {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		t.Fatal("this test needs an API server: run `make test`, which builds one and sets KUBEBUILDER_ASSETS")
	}
	bin := built(t)
	pages, err := filepath.Glob("../../docs/tutorial-*.md")
	if err != nil || len(pages) != len(prepared) {
		t.Fatalf("%v: %d tutorials, %d are known here", err, len(pages), len(prepared))
	}
	for _, page := range pages {
		t.Run(filepath.Base(page), func(t *testing.T) {
			environment := &envtest.Environment{}
			config, err := environment.Start()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := environment.Stop(); err != nil {
					t.Error(err)
				}
			})
			folder := checkout(t)
			env := append(os.Environ(), "KUBECONFIG="+kubeconfig(t, config), "PATH="+bin+":"+assets+":"+os.Getenv("PATH"), "HOME="+folder)
			run := func(script string) (string, error) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				cmd := exec.CommandContext(ctx, "bash", "-c", asPeopleDo+script)
				cmd.Dir, cmd.Env = folder, env
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			before, known := prepared[filepath.Base(page)]
			if !known {
				t.Fatal("what it expects to be there is not known here")
			}
			if out, err := run(before); err != nil {
				t.Fatalf("preparing: %v\n%s", err, out)
			}
			ran := 0
			for _, b := range blocksOf(t, page) {
				if strings.HasPrefix(b.how, "needs-") {
					if out, err := exec.CommandContext(t.Context(), "bash", "-n", "-c", b.text).CombinedOutput(); err != nil {
						t.Errorf("bash can't read\n%s%v: %s", b.text, err, out)
					}
					continue
				}
				if b.how == "refused" { // it changes nothing, and what refuses it may not have heard of everything yet
					if out, err := run(asTheOperator); err != nil {
						t.Fatalf("labelling namespaces: %v\n%s", err, out)
					}
					wants(t, "refused: "+b.text, func() bool {
						_, err := run(b.text)
						return err != nil
					})
				}
				out, err := run(b.text)
				if (err != nil) != (b.how == "refused") || b.how != "" && b.how != "refused" {
					t.Fatalf("%v, of a block that is %q:\n%s\nwhich printed\n%s", err, b.how, b.text, out)
				}
				ran++
			}
			if ran < 5 {
				t.Errorf("ran %d blocks only: the test reads the page wrongly", ran)
			}
		})
	}
}

// built is a folder with the plugin as people have it in their PATH.
func built(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the plugin: %v\n%s", err, out)
	}
	return bin
}

// checkout is a folder in which the repository's folders that pages name can be read.
func checkout(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range []string{"config", "charts"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
		// Looked at here, so that the cache of tests knows of files that kubectl reads.
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, _ os.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestDocsCallThePluginAsItIs reads every kubectl switchboard command of every page, and looks whether there is such a
// command with such flags.
func TestDocsCallThePluginAsItIs(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`kubectl switchboard ([^|>#;)` + "`" + `]*)`)
	checked := 0
	for _, page := range append(pages, "../../README.md") {
		for _, b := range blocksOf(t, page) {
			for _, m := range call.FindAllStringSubmatch(strings.ReplaceAll(b.text, "\\\n", " "), -1) {
				line, _, _ := strings.Cut(m[1], "\n")
				line, _, _ = strings.Cut(line, " && ")
				line = regexp.MustCompile(`"[^"]*"`).ReplaceAllString(line, "x")
				cmd, rest, err := command().Find(strings.Fields(line))
				if err != nil || !cmd.Runnable() || cmd.HasSubCommands() {
					t.Errorf("%s: there is no command %q", page, line)
					continue
				}
				if err := cmd.ParseFlags(rest); err != nil {
					t.Errorf("%s: %q: %v", page, line, err)
				}
				checked++
			}
		}
	}
	if checked < 25 {
		t.Errorf("checked %d commands only: the test reads pages wrongly", checked)
	}
}
