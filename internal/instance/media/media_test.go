package media

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestATypeIsWhatTheBytesAre(t *testing.T) {
	for content, want := range map[string]string{
		"\x89PNG\r\n\x1a\n": "image/png", "\xff\xd8\xff\xe0": "image/jpeg", "%PDF-1.7": "application/pdf", "#!AMR\n": "audio/amr", "Guten Tag": "text/plain",
		"BEGIN:VCARD\r\nVERSION:3.0": "text/vcard", "\x00\x00\x00\x18ftypmp42": "video/mp4", "\x00\x00\x00\x18ftypheic": "image/heic",
		"<html><body>": "", "<svg xmlns='http://www.w3.org/2000/svg'>": "", "<?xml version='1.0'?><svg>": "", "PK\x03\x04": "", "\x7fELF": "", "#!/bin/sh\n": "",
		"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "", `{"a":1}`: "",
	} {
		kind, ok := TypeOf([]byte(content))
		if ok != (want != "") || ok && kind != want {
			t.Errorf("%q is %q, %t; want %q", content, kind, ok, want)
		}
	}
}

func TestANameCanBeSavedAnywhere(t *testing.T) {
	for given, want := range map[string]string{
		"room.png": "room.png", `..\..\C:\x.png`: "x.png", "/etc/passwd": "passwd", "a\r\nb\x00.png": "ab.png", `"a<b>.png`: "ab.png", "...": "", "\u202Egnp.exe": "gnp.exe", "Zimmer – 早餐.pdf": "Zimmer – 早餐.pdf",
	} {
		if got := Name(given); got != want {
			t.Errorf("%q is called %q, want %q", given, got, want)
		}
	}
	if long := Name(strings.Repeat("ü", 500) + ".png"); utf8.RuneCountInString(long) != maxName || !strings.HasSuffix(long, ".png") {
		t.Errorf("a long name is %q", long)
	}
	for _, c := range [][3]string{{"x.exe", "image/png", "x.exe.png"}, {"x.PNG", "image/png", "x.PNG"}, {"", "text/plain", "id.txt"}, {"a.jpeg", "image/jpeg", "a.jpeg"}} {
		if got := FileName(c[0], "id", c[1]); got != c[2] {
			t.Errorf("%v is saved as %q", c, got)
		}
	}
}
