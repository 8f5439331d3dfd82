package cluster

import "testing"

func TestParseGoImage(t *testing.T) {
	got, err := ParseGoImage("switchboard/operator:dev=./cmd/operator")
	if err != nil || got != (GoImage{Name: "switchboard/operator:dev", Package: "cmd/operator"}) {
		t.Errorf("ParseGoImage = %+v, %v", got, err)
	}
	for _, arg := range []string{"switchboard/operator:dev", "=./cmd/operator", "x=", "x=/etc", "x=../other"} {
		if _, err := ParseGoImage(arg); err == nil {
			t.Errorf("%q was accepted", arg)
		}
	}
}
