package api

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write openapi.yaml anew")

// openapi.yaml is what others generate clients from: a change of the API is a
// change of this file, and shows in review.
func TestOpenAPIIsCurrent(t *testing.T) {
	got, err := New(Config{}).OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.yaml", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("openapi.yaml is out of date; write it anew by: go test ./internal/api -run OpenAPI -update\n%s", diff)
	}
}

func TestOpenAPISaysWhatIsTrue(t *testing.T) {
	b, err := New(Config{}).OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{"ErrorModel", "$schema", "application/problem+cbor"} {
		if bytes.Contains(b, []byte(absent)) {
			t.Errorf("it speaks of %s, which no answer has", absent)
		}
	}
	for path, item := range New(Config{}).huma.OpenAPI().Paths {
		if !strings.HasPrefix(path, Prefix+"/") {
			t.Errorf("%s does not lie under %s", path, Prefix)
		}
		if item.Get != nil && item.Get.RequestBody != nil {
			t.Errorf("GET %s wants a body", path)
		}
	}
}
