package api

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"

	"github.com/switchboard-operator/switchboard/internal/instance/live"
	"github.com/switchboard-operator/switchboard/internal/instance/staff"
)

func TestEveryRouteIsDescribedAndEveryDescriptionIsARoute(t *testing.T) {
	b, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	document, err := libopenapi.NewDocument(b)
	if err != nil {
		t.Fatal(err)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]staff.Roles{}
	var described []string
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			var roles staff.Roles
			into := map[string]any{"x-roles": &roles, "x-events": &events}
			for name, node := range operation.Extensions.FromOldest() {
				if err := node.Decode(into[name]); err != nil {
					t.Fatalf("%s of %s: %v", name, path, err)
				}
			}
			described = append(described, strings.ToUpper(method)+" "+path+" for "+roles.String())
		}
	}
	var registered []string
	for _, r := range (&Server{}).routes() {
		if r.open != nil && r.roles != nil {
			t.Errorf("%s is open, and names roles", r.pattern)
		}
		registered = append(registered, r.pattern+" for "+r.roles.String())
	}
	if !reflect.DeepEqual(events, live.Events) {
		t.Errorf("events are described as %v, and told to %v", events, live.Events)
	}
	slices.Sort(described)
	slices.Sort(registered)
	if len(registered) == 0 || !slices.Equal(described, registered) {
		t.Errorf("described:  %s\nregistered: %s", strings.Join(described, ", "), strings.Join(registered, ", "))
	}
}
