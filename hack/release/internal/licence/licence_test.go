package licence

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/hack/release/internal/program"
)

const mit = `MIT License

Copyright (c) 2026 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software
is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES
OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR
IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`

func TestALicenceIsFoundOrRefused(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string // a part of the error; "" for none
	}{
		"MIT":                     {map[string]string{"LICENSE": mit}, ""},
		"British spelling":        {map[string]string{"LICENCE.txt": mit}, ""},
		"with a notice":           {map[string]string{"LICENSE": mit, "NOTICE": "By Somebody."}, ""},
		"none":                    {map[string]string{"README.md": "Free for all."}, "has no file with a licence"},
		"a notice alone":          {map[string]string{"NOTICE": "By Somebody."}, "has no file with a licence"},
		"words of their own":      {map[string]string{"LICENSE": "Whoever has paid for it may use it on Tuesdays."}, "read it"},
		"a clause was added":      {map[string]string{"LICENSE": mit + strings.Repeat("No hotel may use this software for messages. ", 20)}, "read it"},
		"one of a folder's own":   {map[string]string{"LICENSE": mit, "third/LICENSE": mit}, ""},
		"a folder's own is known": {map[string]string{"LICENSE": mit, "third/LICENSE": "For members of the club."}, "third/LICENSE: only"},
		"asks for the sources":    {map[string]string{"LICENSE": mit, "COPYING": "SPDX-License-Identifier: AGPL-3.0"}, "read it"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.Mkdir(filepath.Join(folder, "third"), 0o700); err != nil {
				t.Fatal(err)
			}
			for file, body := range test.files {
				if err := os.WriteFile(filepath.Join(folder, file), []byte(body), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			text, err := read(program.Module{Path: "example.com/module", Version: "v1.0.0"}, program.Folders{Root: folder, All: []string{folder, filepath.Join(folder, "third")}})
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "example.com/module") {
					t.Fatalf("error %v, want one of example.com/module with %q", err, test.want)
				}
				return
			}
			if err != nil || len(text.IDs) != 1 || text.IDs[0] != "MIT" {
				t.Fatalf("%v, %v", text.IDs, err)
			}
			all := string(Notices([]Text{text}))
			for _, body := range test.files {
				if !strings.Contains(all, strings.TrimSpace(body)) {
					t.Errorf("the notices lack %q", body)
				}
			}
		})
	}
}

func TestALicenceThatIsNotAllowedIsNamed(t *testing.T) {
	allowed := Allowed
	defer func() { Allowed = allowed }()
	Allowed = []string{"Apache-2.0"}
	if _, err := identify([]byte(mit)); err == nil || !strings.Contains(err.Error(), "licence MIT is not one that a release may carry (Apache-2.0)") {
		t.Errorf("error %v", err)
	}
}
