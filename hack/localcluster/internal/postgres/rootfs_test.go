package postgres

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestTheImageKeepsTheContractOfTheOfficialOne(t *testing.T) {
	c := config()
	if !slices.Equal(c.Entrypoint, []string{"docker-entrypoint.sh"}) || !slices.Equal(c.Cmd, []string{"postgres"}) {
		t.Errorf("it runs %v %v", c.Entrypoint, c.Cmd)
	}
	if _, ok := c.Volumes["/var/lib/postgresql/data"]; !ok || c.StopSignal != "SIGINT" {
		t.Errorf("volumes %v, stop signal %s", c.Volumes, c.StopSignal)
	}
	if !slices.Contains(c.Env, "PGDATA=/var/lib/postgresql/data") || !strings.Contains(c.Env[0], "/usr/lib/postgresql/15/bin") {
		t.Errorf("environment %v", c.Env)
	}
	hooks := strings.Join(arguments("script", "rootfs"), "\n")
	if !strings.Contains(hooks, "postgres:x:999:999:") {
		t.Error("the user is not 999:999")
	}
}

func TestTheEntrypointIsBash(t *testing.T) {
	cmd := exec.Command("bash", "-n", "docker-entrypoint.sh")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTheEntrypointRunsOtherCommandsAsTheyAre(t *testing.T) {
	for _, args := range [][]string{{"echo", "hello"}} {
		out, err := exec.Command("bash", append([]string{"docker-entrypoint.sh"}, args...)...).CombinedOutput()
		if err != nil || string(out) != "hello\n" {
			t.Errorf("%v: %q, %v", args, out, err)
		}
	}
}

func TestTheEntrypointRefusesWhatCannotBeMeant(t *testing.T) {
	cases := map[string]struct {
		env  []string
		want string
	}{
		"no password":                    {nil, "needs POSTGRES_PASSWORD"},
		"a password and a password file": {[]string{"POSTGRES_PASSWORD=a", "POSTGRES_PASSWORD_FILE=/b"}, "set one of them"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("bash", "-c", `
				id() { echo 999; }; mkdir() { :; }; chmod() { :; } # not root, and nothing of the host is touched
				. ./docker-entrypoint.sh postgres`)
			cmd.Env = append([]string{"PATH=/usr/bin:/bin", "PGDATA=" + t.TempDir()}, c.env...)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("got %q, %v; want a refusal that says %q", out, err, c.want)
			}
		})
	}
}
