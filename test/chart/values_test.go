package chart

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite the golden files, and the table of the chart's README.md")

// What three kinds of installations get. The resource definitions and admission policies are the same in all, and held to
// config/ by TestTheChartInstallsWhatKustomizeDoes; of dashboards the golden files have the names alone.
func TestGoldenFiles(t *testing.T) {
	folders, err := filepath.Glob("testdata/*")
	if err != nil || len(folders) != 3 {
		t.Fatalf("found %d folders: %v", len(folders), err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			values, err := chartutil.ReadValuesFile(filepath.Join(folder, "values.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			rendered, err := render(t, values)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, id := range slices.Sorted(maps.Keys(rendered)) {
				o := rendered[id]
				switch kind := o["kind"].(string); {
				case kind == "CustomResourceDefinition", strings.HasPrefix(kind, "ValidatingAdmissionPolicy"):
					continue
				case kind == "ConfigMap":
					for key := range o["data"].(object) {
						o["data"].(object)[key] = "…"
					}
				}
				text, err := yaml.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&got, "---\n%s", text)
			}
			file := filepath.Join(folder, "want.yaml")
			if *update {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("%s is not what is rendered: see what changed by go test ./... -update, in test/chart", file)
			}
		})
	}
}

// The hardened installation has nothing that a registry could change under it, and no way in.
func TestTheHardenedInstallationIsClosed(t *testing.T) {
	values, err := chartutil.ReadValuesFile("testdata/hardened/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := render(t, values)
	if err != nil {
		t.Fatal(err)
	}
	pod := rendered["Deployment/switchboard-operator"]["spec"].(object)["template"].(object)["spec"].(object)
	container := pod["containers"].([]any)[0].(object)
	images := []string{container["image"].(string)}
	for _, a := range container["args"].([]any) {
		if flag, image, _ := strings.Cut(a.(string), "="); strings.HasSuffix(flag, "-image") {
			images = append(images, image)
		}
	}
	if len(images) != 3 {
		t.Errorf("the images are %v", images)
	}
	for _, image := range images {
		if !regexp.MustCompile(`^registry\.internal\.example/.*@sha256:[0-9a-f]{64}$`).MatchString(image) {
			t.Errorf("image %s is not of the registry inside, by its digest", image)
		}
	}
	policy := rendered["NetworkPolicy/switchboard-operator"]["spec"].(object)
	if !reflect.DeepEqual(policy["policyTypes"], []any{"Ingress", "Egress"}) || len(policy["ingress"].([]any)) != 0 || len(policy["egress"].([]any)) != 3 {
		t.Errorf("the network policy is %v", policy)
	}
}

// Each mistake is refused, in words that name what is wrong.
func TestBadValuesAreRefused(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		values map[string]any
		say    []string
	}{
		"a misspelt key":              {object{"replica": 2}, []string{"additional properties 'replica' not allowed"}},
		"one within images":           {object{"image": object{"operater": "x"}}, []string{"/image", "'operater' not allowed"}},
		"one of resources":            {object{"resources": object{"limit": object{}}}, []string{"/resources", "'limit' not allowed"}},
		"one far below":               {object{"monitoring": object{"rules": object{"enable": true}}}, []string{"/monitoring/rules", "'enable' not allowed"}},
		"one of a toleration":         {object{"tolerations": []any{object{"keys": "x"}}}, []string{"/tolerations/0", "'keys' not allowed"}},
		"no replicas":                 {object{"replicas": 0}, []string{"/replicas", "minimum: got 0, want 1"}},
		"a word for a count":          {object{"replicas": "two"}, []string{"/replicas", "got string, want integer"}},
		"a word for a switch":         {object{"crds": object{"install": "no"}}, []string{"/crds/install", "got string, want boolean"}},
		"an empty image":              {object{"image": object{"operator": ""}}, []string{"/image/operator", "does not match pattern"}},
		"an image with a space":       {object{"image": object{"operator": "switchboard operator"}}, []string{"/image/operator", "does not match pattern"}},
		"half a digest":               {object{"image": object{"operator": "x@sha256:abc"}}, []string{"/image/operator", "does not match pattern"}},
		"no digest where one is due":  {object{"image": object{"requireDigest": true, "operator": "x" + digest, "instance": "y" + digest}}, []string{"/image/postgres", "'@sha256:[0-9a-f]{64}$'"}},
		"an unknown policy":           {object{"image": object{"pullPolicy": "Sometimes"}}, []string{"/image/pullPolicy", "'Always', 'IfNotPresent', 'Never'"}},
		"an unknown level":            {object{"logLevel": "trace"}, []string{"/logLevel", "'error', 'info', 'debug'"}},
		"a number for a time":         {object{"journalInterval": 10}, []string{"/journalInterval", "got number, want string"}},
		"a time without unit":         {object{"journalInterval": "10"}, []string{"/journalInterval", "does not match pattern"}},
		"a region with a capital":     {object{"regions": []any{"EU"}}, []string{"/regions/0", "does not match pattern"}},
		"a region twice":              {object{"regions": []any{"eu", "eu"}}, []string{"/regions", "items at 0 and 1 are equal"}},
		"a quantity of nothing":       {object{"resources": object{"limits": object{"memory": "lots"}}}, []string{"/resources/limits/memory", "does not match pattern"}},
		"something else to limit":     {object{"resources": object{"limits": object{"gpu": 1}}}, []string{"/resources/limits", "'gpu' not allowed"}},
		"a label that selects":        {object{"commonLabels": object{"app.kubernetes.io/name": "x"}}, []string{"/commonLabels/app.kubernetes.io~1name", "must be 'switchboard'"}},
		"a number for a label":        {object{"podLabels": object{"team": 7}}, []string{"/podLabels/team", "got number, want string"}},
		"a network without its size":  {object{"networkPolicy": object{"apiServerCIDRs": []any{"10.0.0.1"}}}, []string{"/networkPolicy/apiServerCIDRs/0", "does not match pattern"}},
		"a port that is none":         {object{"networkPolicy": object{"apiServerPorts": []any{65536}}}, []string{"/networkPolicy/apiServerPorts/0", "maximum: got 65,536, want 65,535"}},
		"runbooks that lead nowhere":  {object{"monitoring": object{"rules": object{"runbooks": "docs"}}}, []string{"/monitoring/rules/runbooks", "does not match pattern"}},
		"a peer that is everybody":    {object{"networkPolicy": object{"metricsFrom": []any{object{}}}}, []string{"/networkPolicy/metricsFrom/0", "minProperties: got 0, want 1"}},
		"the end of a value":          {object{"goMemLimit": nil}, []string{"goMemLimit"}},
		"a limit in Kubernetes' unit": {object{"goMemLimit": "110Mi"}, []string{"/goMemLimit", "does not match pattern"}},
	} {
		_, err := render(t, c.values)
		if err == nil || !strings.Contains(err.Error(), "values don't meet the specifications of the schema") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, say := range c.say {
			if !strings.Contains(err.Error(), say) {
				t.Errorf("%s: the error does not say %q:\n%v", name, say, err)
			}
		}
	}
}

func TestTheNotesSayTheNextStep(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]any
		say    []string
		not    []string
	}{
		"defaults": {nil, []string{"runs in namespace elsewhere, and serves every Region", "rollout status", "kubectl apply -f REGION.yaml", "kubectl apply -k", "monitoring.rules.enabled", "Back up"}, []string{"-f definitions"}},
		"one region, monitored": {
			object{"regions": []any{"eu", "us"}, "monitoring": object{"rules": object{"enabled": true}}},
			[]string{"serves the Regions eu, us."}, []string{"monitoring.rules.enabled"},
		},
		"definitions by others": {object{"crds": object{"install": false}}, []string{"kubectl apply --server-side -f definitions"}, nil},
	} {
		c2, err := loader.Load(chartFolder)
		if err != nil {
			t.Fatal(err)
		}
		all, err := chartutil.ToRenderValues(c2, c.values, chartutil.ReleaseOptions{Name: "switchboard", Namespace: "elsewhere"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		files, err := engine.Render(c2, all)
		if err != nil {
			t.Fatal(err)
		}
		notes := files["switchboard/templates/NOTES.txt"]
		for _, say := range c.say {
			if !strings.Contains(notes, say) {
				t.Errorf("%s: the notes don't say %q:\n%s", name, say, notes)
			}
		}
		for _, not := range c.not {
			if strings.Contains(notes, not) {
				t.Errorf("%s: the notes say %q:\n%s", name, not, notes)
			}
		}
	}
}

// schema is what of JSON Schema describes a value.
type schema struct {
	Ref         string            `json:"$ref"`
	Type        any               `json:"type"`
	Description string            `json:"description"`
	Properties  map[string]schema `json:"properties"`
	Additional  any               `json:"additionalProperties"`
	Enum        []string          `json:"enum"`
	Minimum     *int64            `json:"minimum"`
	Maximum     *int64            `json:"maximum"`
	Defs        map[string]schema `json:"$defs"`
}

// The table in the chart's README.md has every value of the schema, with the default of values.yaml; and values.yaml has no
// other. A value without a description, or an object that takes anything, is refused.
func TestEveryValueIsDescribed(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartFolder, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var root schema
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	values, err := chartutil.ReadValuesFile(filepath.Join(chartFolder, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	var walk func(path string, s schema, value any)
	walk = func(path string, s schema, value any) {
		if s.Properties != nil && s.Description == "" {
			if s.Additional != false {
				t.Errorf("%s takes values that nobody has described", path)
			}
			held, ok := value.(map[string]any)
			if !ok {
				t.Errorf("values.yaml lacks %s", path)
			}
			for name := range held {
				if _, ok := s.Properties[name]; !ok {
					t.Errorf("values.yaml has %s.%s, the schema does not", path, name)
				}
			}
			for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
				below, ok := held[name]
				if !ok && name != "global" {
					t.Errorf("values.yaml lacks %s.%s", path, name)
				}
				walk(strings.TrimPrefix(path+"."+name, "."), s.Properties[name], below)
			}
			return
		}
		if s.Description == "" {
			t.Errorf("%s has no description", path)
		}
		standard, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("| `%s` | %s | `%s` | %s |", path, kind(root, s), standard, s.Description))
	}
	walk("", root, map[string]any(values))
	if len(lines) < 35 {
		t.Fatalf("found %d values only: the test reads the schema wrongly", len(lines))
	}

	const begin, end = "| Value | Type | Default | Is |\n|---|---|---|---|\n", "\n\n"
	file := filepath.Join(chartFolder, "README.md")
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	table, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatal(errors.New("README.md of the chart has no table of values"))
	}
	want := strings.Join(lines, "\n")
	if *update && table != want {
		if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		table = want
	}
	if table != want {
		t.Errorf("the table of values in the chart's README.md is not that of its schema: go test ./... -update, in test/chart. It should be\n%s", want)
	}
}

// kind says in a word or two what a value is.
func kind(root, s schema) string {
	if s.Ref != "" {
		named := root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
		switch name := strings.TrimPrefix(s.Ref, "#/$defs/"); name {
		case "image", "duration":
			return name
		}
		return kind(root, named)
	}
	switch {
	case len(s.Enum) > 0:
		return strings.Join(s.Enum, ", ")
	case s.Type == "integer" && s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf("%d to %d", *s.Minimum, *s.Maximum)
	case s.Type == "array":
		return "list"
	}
	return fmt.Sprint(s.Type)
}
