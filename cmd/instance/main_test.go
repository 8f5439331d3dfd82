package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

func call(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = execute(t.Context(), args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func TestHelpGoesToStdoutAndMistakesToStderr(t *testing.T) {
	tests := map[string]struct {
		args      []string
		code      int
		out, errs string // what they must hold; empty means nothing at all
	}{
		"nothing":              {nil, exitUsage, "", "Usage: instance COMMAND"},
		"help":                 {[]string{"--help"}, exitOK, "Usage: instance COMMAND", ""},
		"help in words":        {[]string{"help"}, exitOK, "Exit codes: 0 done, 1 failed, 2 wrong usage.", ""},
		"help of a command":    {[]string{"help", "import"}, exitOK, "kubectl -n tenant-hotel-berlin exec -i deploy/serve", ""},
		"unknown command":      {[]string{"sing"}, exitUsage, "", `no command "sing"`},
		"unknown flag":         {[]string{"serve", "--port=1"}, exitUsage, "", "See: instance serve --help"},
		"unexpected argument":  {[]string{"migrate", "now"}, exitUsage, "", `unexpected argument "now"`},
		"two files":            {[]string{"import", "a", "b"}, exitUsage, "", "one file"},
		"level that is none":   {[]string{"serve", "--log-level=loud"}, exitUsage, "", "log-level"},
		"failure is not usage": {[]string{"import", "/does/not/exist"}, exitFailed, "", "/does/not/exist"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			code, out, errs := call(t, test.args...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(out, test.out) || test.out == "" && out != "" {
				t.Errorf("stdout, want %q:\n%s", test.out, out)
			}
			if !strings.Contains(errs, test.errs) || test.errs == "" && errs != "" {
				t.Errorf("stderr, want %q:\n%s", test.errs, errs)
			}
		})
	}
}

func TestEveryCommandTeaches(t *testing.T) {
	_, overview, _ := call(t, "--help")
	for _, c := range commands() {
		code, help, _ := call(t, c.name, "--help")
		if code != exitOK || !strings.Contains(overview, c.name) {
			t.Errorf("%s: exit code %d, or not in the overview", c.name, code)
		}
		for _, part := range []string{c.short, "Environment:", "Example", "Flags:"} {
			if !strings.Contains(help, part) {
				t.Errorf("instance %s --help lacks %q", c.name, part)
			}
		}
	}
}

func TestTheEnvironmentThatIsMissingIsNamed(t *testing.T) {
	for _, name := range []string{"SWITCHBOARD_TENANT", "SWITCHBOARD_SETUP", "SWITCHBOARD_RETENTION", "SWITCHBOARD_CHANNEL", "PGHOST"} {
		t.Setenv(name, "")
	}
	t.Setenv("SWITCHBOARD_TERMINATION_LOG", t.TempDir()+"/log")
	for command, names := range map[string]string{
		"serve": "SWITCHBOARD_TENANT", "migrate": "SWITCHBOARD_SETUP", "retain": "SWITCHBOARD_RETENTION",
		"verify": "PGHOST", "import": "address-hash",
	} {
		code, _, errs := call(t, command)
		if code != exitFailed || !strings.Contains(errs, names) && !strings.Contains(errs, "/var/run/switchboard") {
			t.Errorf("instance %s: exit code %d, want %s named:\n%s", command, code, names, errs)
		}
	}
}

// The instance has no Kubernetes API access; that it can't is held by its imports.
func TestTheInstanceImportsNothingOfKubernetes(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 100 {
		t.Fatalf("go list names %d packages only", len(packages))
	}
	for _, p := range packages {
		for _, forbidden := range []string{"k8s.io/", "sigs.k8s.io/"} {
			if strings.HasPrefix(p, forbidden) {
				t.Errorf("it imports %s", p)
			}
		}
	}
}
