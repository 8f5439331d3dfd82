package cluster

import "testing"

func TestParseGoImage(t *testing.T) {
	got, err := ParseGoImage("switchboard/operator:dev=./cmd/operator")
	if err != nil || got != (GoImage{Name: "switchboard/operator:dev", Package: "./cmd/operator"}) {
		t.Errorf("ParseGoImage = %+v, %v", got, err)
	}
	got, err = ParseGoImage("store:dev=./test/standin/s3:example.org/store/cmd/store")
	if err != nil || got != (GoImage{Name: "store:dev", Module: "test/standin/s3", Package: "example.org/store/cmd/store"}) {
		t.Errorf("ParseGoImage of another module = %+v, %v", got, err)
	}
	for _, arg := range []string{"switchboard/operator:dev", "=./cmd/operator", "x=", "x=/etc", "x=../other", "x=./module:", "x=:example.org/store"} {
		if _, err := ParseGoImage(arg); err == nil {
			t.Errorf("%q was accepted", arg)
		}
	}
}
