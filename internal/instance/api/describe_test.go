package api

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
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
	var described []string
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().FromOldest() {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	var registered []string
	for _, r := range (&Server{}).routes() {
		registered = append(registered, r.pattern)
	}
	slices.Sort(described)
	slices.Sort(registered)
	if len(registered) == 0 || !slices.Equal(described, registered) {
		t.Errorf("described:  %s\nregistered: %s", strings.Join(described, ", "), strings.Join(registered, ", "))
	}
}
