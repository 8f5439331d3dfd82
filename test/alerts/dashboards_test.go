package alerts

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// anything stands for what Grafana puts into an expression.
const anything = "anything"

type dashboard struct {
	UID        string `json:"uid"`
	Title      string `json:"title"`
	Templating struct {
		List []struct {
			Name  string `json:"name"`
			Type  string `json:"type"`
			Query any    `json:"query"`
		} `json:"list"`
	} `json:"templating"`
	Panels []struct {
		Title       string `json:"title"`
		Type        string `json:"type"`
		Description string `json:"description"`
		GridPos     struct{ H, W, X, Y int }
		Targets     []struct {
			Expr   string `json:"expr"`
			Legend string `json:"legendFormat"`
		} `json:"targets"`
		Datasource struct {
			UID string `json:"uid"`
		} `json:"datasource"`
	} `json:"panels"`
}

// Each panel asks for what the code tells, in what Prometheus understands; by the data source that the viewer chooses; and none
// lies over another.
func TestDashboards(t *testing.T) {
	files, err := filepath.Glob("../../charts/switchboard/dashboards/*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("found %d dashboards: %v", len(files), err)
	}
	known := metrics(t)
	variable := regexp.MustCompile(`\$(\w+)`)
	var ids []string
	for _, f := range files {
		var d dashboard
		if err := json.Unmarshal([]byte(read(t, f)), &d); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		ids = append(ids, d.UID)
		if d.UID != "switchboard-"+strings.TrimSuffix(filepath.Base(f), ".json") || d.Title == "" || len(d.Panels) < 8 {
			t.Errorf("%s is %q %q with %d panels", f, d.UID, d.Title, len(d.Panels))
		}
		given := []string{"__rate_interval", "__range", "__interval"}
		for _, v := range d.Templating.List {
			given = append(given, v.Name)
			if v.Type != "query" {
				continue
			}
			if query, ok := v.Query.(map[string]any); ok {
				m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(query["query"].(string))
				if m == nil {
					t.Fatalf("%s: the query of %s is %v", f, v.Name, query)
				}
				expr := variable.ReplaceAllString(m[1], anything)
				judge(t, known, f+", "+v.Name, expr)
				if of := selectors(t, expr)[0].name; !slices.Contains(known[of].labels, m[2]) {
					t.Errorf("%s: %s has no label %s", f, of, m[2])
				}
			}
		}
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
						t.Fatalf("%s: %s lies over %s, or outside", f, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" || p.Type == "text" {
				continue
			}
			if len(p.Targets) == 0 || p.Datasource.UID != "$datasource" || p.Description == "" {
				t.Errorf("%s: panel %s asks nothing, or not by the viewer's data source, or nobody says what it shows", f, p.Title)
			}
			for _, target := range p.Targets {
				for _, m := range variable.FindAllStringSubmatch(target.Expr, -1) {
					if !slices.Contains(given, m[1]) {
						t.Errorf("%s: panel %s needs $%s, which is not there", f, p.Title, m[1])
					}
				}
				expr := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$__interval", "1m").Replace(target.Expr)
				expr = variable.ReplaceAllString(expr, anything)
				judge(t, known, f+", "+p.Title, expr)
			}
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 3 {
		t.Errorf("the dashboards are %v", ids)
	}
}
