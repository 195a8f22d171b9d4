package gitlab

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNextQuery(t *testing.T) {
	const here = "https://gitlab.example.com/git/api/v4/projects/7/jobs"
	for _, tt := range []struct {
		name   string
		link   string
		header string // X-Next-Page; "-" for none
		asked  string
		full   bool
		want   string // "" for the last page
		err    string
	}{
		{"by link", `<https://gitlab.example.com/git/api/v4/projects/7/jobs?page=2&per_page=100>; rel="next"`, "-", "per_page=100", true, "page=2&per_page=100", ""},
		{"host and root of GitLab's own", `<http://internal:8080/api/v4/projects/7/jobs?page=2>; rel="next"`, "-", "", false, "page=2", ""},
		{"next after others", `<https://x/api/v4/projects/7/jobs?page=1>; rel="prev", <https://x/api/v4/projects/7/jobs?page=3>; title="a, b"; rel="next last"`, "-", "", false, "page=3", ""},
		{"cursor", `<https://x/api/v4/projects/7/jobs?cursor=eyJ%3D&id=7&pagination=keyset>; rel=next`, "-", "pagination=keyset", true, "cursor=eyJ%3D&id=7&pagination=keyset", ""},
		{
			"our own parameters stay", `<https://x/api/v4/projects/7/jobs?page=2&updated_after=2024-01-01T00%3A00%3A00Z&per_page=20>; rel="next"`, "-",
			"updated_after=2024-01-01T00%3A00%3A00.123Z&per_page=100&page=1", false, "page=2&per_page=100&updated_after=2024-01-01T00%3A00%3A00.123Z", "",
		},
		{"encoded path", `<https://x/api/v4/%70rojects/7/jobs?page=2>; rel="next"`, "-", "", false, "page=2", ""},
		{"by header", "", "2", "page=1&a=b", true, "a=b&page=2", ""},
		{"last by header", "", "", "", true, "", ""},
		{"last by link", `<https://x/api/v4/projects/7/jobs?page=1>; rel="first"`, "", "", true, "", ""},
		{"last of a keyset", "", "-", "pagination=keyset", true, "", ""},
		{"short page without headers", "", "-", "", false, "", ""},
		{"full page without headers", "", "-", "", true, "", "strips them"},
		{"header is no number", "", "two", "", true, "", "no page number"},
		{"elsewhere", `<https://x/api/v4/projects/8/jobs?page=2>; rel="next"`, "2", "", true, "", "leads elsewhere"},
		{"outside of the API", `<https://x/users/sign_in?page=2>; rel="next"`, "-", "", true, "", "leads elsewhere"},
		{"no page in it", `<https://x/api/v4/projects/7/jobs?per_page=100>; rel="next"`, "-", "", true, "", "names no page"},
		{"unreadable", `https://x/api/v4/projects/7/jobs?page=2; rel="next"`, "2", "", true, "", "cannot be read"},
		{"cut off", `<https://x/api/v4/projects/7/jobs?page=2>; rel="ne`, "2", "", true, "", "cannot be read"},
		{"bad query", `<https://x/api/v4/projects/7/jobs?page=2&a=%zz>; rel="next"`, "2", "", true, "", "cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := url.Parse(here)
			if err != nil {
				t.Fatal(err)
			}
			asked, err := url.ParseQuery(tt.asked)
			if err != nil {
				t.Fatal(err)
			}
			ans := answer{url: u, header: http.Header{}}
			if tt.link != "" {
				ans.header.Set("Link", tt.link)
			}
			if tt.header != "-" {
				ans.header.Set("X-Next-Page", tt.header)
			}
			got, err := nextQuery(ans, asked, tt.full)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("next = %v, %v; want an error with %q", got, err, tt.err)
				}
				return
			}
			if err != nil || got.Encode() != tt.want {
				t.Errorf("next = %q, %v; want %q", got.Encode(), err, tt.want)
			}
		})
	}
}

func TestParseLinks(t *testing.T) {
	got, err := parseLinks([]string{`<a?x=1,2;3> ; rel = "Next"; foo, <b>;rel=prev`, ` <c>; rel="next"; rel="last"`, `<d>`})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"next": "a?x=1,2;3", "prev": "b"}, got); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

func FuzzLink(f *testing.F) {
	for _, seed := range []string{`<https://x/api/v4/a?page=2>; rel="next", <https://x/api/v4/a?page=1>; rel="first"`, `<>;=,;`, `<a>;rel=next;rel`, `<a>; rel="`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		links, err := parseLinks([]string{header})
		if err != nil {
			return
		}
		for rel, target := range links {
			if !strings.Contains(header, "<"+target+">") || rel != strings.ToLower(rel) {
				t.Errorf("%q gives %q for %q, which is not in it", header, target, rel)
			}
		}
	})
}
