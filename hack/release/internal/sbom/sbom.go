// Package sbom tells what is in a program, as SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/).
package sbom

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/switchboard-operator/switchboard/hack/release/internal/licence"
	"github.com/switchboard-operator/switchboard/hack/release/internal/program"
)

const (
	project = "github.com/switchboard-operator/switchboard"
	root    = common.ElementID("program")
)

// Document lists the program and each module that is linked into it. Its namespace is made of the program's sum, so that two
// documents share one only when they speak of the same bytes.
func Document(p program.Program, texts []licence.Text, made time.Time) *v2_3.Document {
	doc := &v2_3.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: p.Name,
		DocumentNamespace: "https://" + project + "/sbom/" + p.Name + "/" + p.SHA256,
		CreationInfo: &v2_3.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "switchboard-release"}},
			Created:  made.Format(time.RFC3339),
		},
		Packages: []*v2_3.Package{{
			PackageName: p.Name, PackageSPDXIdentifier: root, PackageDownloadLocation: "NOASSERTION", PackageFileName: p.Name,
			PackageChecksums:        []common.Checksum{{Algorithm: common.SHA256, Value: p.SHA256}},
			PackageLicenseConcluded: "Apache-2.0", PackageLicenseDeclared: "Apache-2.0", PackageCopyrightText: "NOASSERTION",
			PrimaryPackagePurpose: "APPLICATION",
		}},
		Relationships: []*v2_3.Relationship{{
			RefA: common.MakeDocElementID("", "DOCUMENT"), RefB: common.MakeDocElementID("", string(root)), Relationship: "DESCRIBES",
		}},
	}
	for i, t := range texts {
		if t.Version == "" { // Go's own library
			t.Version = p.Go
		}
		id := common.ElementID(fmt.Sprintf("module-%d", i))
		terms := strings.Join(t.IDs, " AND ")
		doc.Packages = append(doc.Packages, &v2_3.Package{
			PackageName: t.Path, PackageSPDXIdentifier: id, PackageVersion: t.Version, PackageDownloadLocation: location(t.Module),
			PackageSourceInfo: sum(t.Module), PackageLicenseConcluded: terms, PackageLicenseDeclared: terms,
			PackageCopyrightText: "NOASSERTION", PrimaryPackagePurpose: "LIBRARY",
			PackageExternalReferences: []*v2_3.PackageExternalReference{{
				Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: purl(t.Module),
			}},
		})
		doc.Relationships = append(doc.Relationships, &v2_3.Relationship{
			RefA: common.MakeDocElementID("", string(root)), RefB: common.MakeDocElementID("", string(id)), Relationship: "CONTAINS",
		})
	}
	return doc
}

// purl names the module as scanners for vulnerabilities know it (https://github.com/package-url/purl-spec).
func purl(m program.Module) string {
	namespace, name := "", m.Path
	if i := strings.LastIndex(m.Path, "/"); i >= 0 {
		namespace, name = m.Path[:i], m.Path[i+1:]
	}
	return packageurl.NewPackageURL(packageurl.TypeGolang, namespace, name, m.Version, nil, "").ToString()
}

func location(m program.Module) string {
	if sources := m.Sources(); sources != "" {
		return sources
	}
	return "NOASSERTION"
}

// sum is that of go.sum. It is no checksum of one file, so it has no place among those.
func sum(m program.Module) string {
	if m.Sum == "" {
		return ""
	}
	return "go.sum " + m.Sum
}

// Write writes the document into a file.
func Write(file string, doc *v2_3.Document) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("writing the list of what is in the program: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := spdxjson.Write(doc, f, spdxjson.Indent("  ")); err != nil {
		return fmt.Errorf("writing the list of what is in the program to %s: %w", file, err)
	}
	return nil
}
