package cluster

import "testing"

func TestParseGoImage(t *testing.T) {
	got, err := ParseGoImage("switchboard/operator:dev=./cmd/operator")
	if err != nil || got != (GoImage{Name: "switchboard/operator:dev", Module: ".", Package: "./cmd/operator"}) {
		t.Errorf("ParseGoImage = %+v, %v", got, err)
	}
	for _, arg := range []string{"switchboard/operator:dev", "=./cmd/operator", "x=", "x=/etc", "x=../other"} {
		if _, err := ParseGoImage(arg); err == nil {
			t.Errorf("%q was accepted", arg)
		}
	}
}

func TestParseToolImage(t *testing.T) {
	got, err := ParseToolImage("example.org/tool:1.0=test/tool:example.org/tool/cmd/tool")
	if err != nil || got != (GoImage{Name: "example.org/tool:1.0", Module: "test/tool", Package: "example.org/tool/cmd/tool"}) {
		t.Errorf("ParseToolImage = %+v, %v", got, err)
	}
	linked, err := ParseToolImage("example.org/tool:1.0=test/tool:example.org/tool:bin/tool_amd64")
	if err != nil || linked.Package != "example.org/tool" || linked.Link != "bin/tool_amd64" {
		t.Errorf("ParseToolImage = %+v, %v", linked, err)
	}
	for _, arg := range []string{"x=test/tool:y:", "x=test/tool:y:/etc/z", "tool:1.0", "x=test/tool", "x=test/tool:", "=test/tool:y", "x=../other:y", "x=/etc:y"} {
		if _, err := ParseToolImage(arg); err == nil {
			t.Errorf("%q was accepted", arg)
		}
	}
}
