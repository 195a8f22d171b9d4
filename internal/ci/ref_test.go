package ci

import "testing"

func TestBaseName(t *testing.T) {
	for name, want := range map[string]string{
		"rspec 1/3":                   "rspec",
		"rspec 0 20":                  "rspec",
		"test 1 4":                    "test",
		"deploy: [eu, 2]":             "deploy",
		"deploy: [eu] 1/2":            "deploy",
		"build: [a, b]: [c] 1/4":      "build",
		"rspec unit pg14 3/24":        "rspec unit pg14",
		`win 1\2`:                     "win",
		"unit:1:4":                    "unit",
		"lint":                        "lint",
		"release 2":                   "release 2",
		"v1.2/3":                      "v1.2/3",
		"1/3":                         "1/3", // nothing before the numbers: no space to cut at
		"a 1/2 2/3 3/4 4/5":           "a 1/2",
		"  padded  ":                  "padded",
		"":                            "",
		"пример: [а]":                 "пример",
		"trailing 1/3 ":               "trailing",
		"tests: [linux, [nested, x]]": "tests",
	} {
		if got := BaseName(name); got != want {
			t.Errorf("BaseName(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestClassifyRef(t *testing.T) {
	for _, tc := range []struct {
		ref    string
		source Source
		tag    bool
		want   RefType
	}{
		{"main", "push", false, Branch},
		{"v1.0", "push", true, Tag},
		{"refs/merge-requests/7/head", "merge_request_event", false, MergeRequest},
		{"refs/merge-requests/7/train", "push", false, MergeRequest},
		{"feature", SourceMergeRequest, false, MergeRequest},
		{"refs/merge-requests/7/merge", SourceParent, true, MergeRequest},
		{"", "", false, Branch},
	} {
		if got := ClassifyRef(tc.ref, tc.source, tc.tag); got != tc.want {
			t.Errorf("ClassifyRef(%q, %q, %t) = %s, want %s", tc.ref, tc.source, tc.tag, got, tc.want)
		}
	}
}

func TestMergeRequestIID(t *testing.T) {
	for ref, want := range map[string]int64{
		"refs/merge-requests/12/head":  12,
		"refs/merge-requests/3/merge":  3,
		"refs/merge-requests/9":        9,
		"refs/merge-requests/x/head":   0,
		"refs/merge-requests/-1/head":  0,
		"refs/merge-requests//head":    0,
		"main":                         0,
		"feature/refs/merge-requests/": 0,
		"":                             0,
	} {
		got, ok := MergeRequestIID(ref)
		if ok != (want != 0) || ok && got != want {
			t.Errorf("MergeRequestIID(%q) = %d, %t, want %d", ref, got, ok, want)
		}
	}
}
