package server

import (
	"log/slog"
	"testing"
)

func TestGovernorsAreSharedByToken(t *testing.T) {
	all := &governors{log: slog.New(slog.DiscardHandler)}
	one, releaseOne := all.take("a", 60)
	two, releaseTwo := all.take("a", 0.5)
	other, _ := all.take("b", 0)
	if one != two || one == other {
		t.Error("one token, one governor")
	}
	held := all.byToken["a"]
	for _, step := range []struct {
		name    string
		release func()
		want    float64
	}{
		{"both", func() {}, 0.5},
		{"the lower one ended", releaseTwo, 60},
		{"ended twice", releaseTwo, 60},
		{"none", releaseOne, 0},
	} {
		step.release()
		if got := held.lowest(); got != step.want {
			t.Errorf("%s: ceiling %v, want %v", step.name, got, step.want)
		}
	}
	if again, _ := all.take("a", 0); again != one {
		t.Error("what the governor learnt was forgotten")
	}
}

func TestBreakersAreSharedByGitLab(t *testing.T) {
	all := &governors{log: slog.New(slog.DiscardHandler)}
	if one, two := all.breaker("https://a.example.com"), all.breaker("https://a.example.com"); one != two {
		t.Error("two breakers for one GitLab")
	}
	if all.breaker("https://a.example.com") == all.breaker("https://b.example.com") {
		t.Error("one breaker for two GitLabs")
	}
}
