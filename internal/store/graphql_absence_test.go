package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestGraphQLAbsence(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		first := GraphQLAbsence{AskedAt: at(1), AskAgainAt: at(100)}
		second := GraphQLAbsence{AskedAt: at(100), AskAgainAt: at(200)}
		for _, step := range []struct {
			what        string
			note        *GraphQLAbsence
			want, other GraphQLAbsence // of connection 1, and of 2
		}{
			{"never asked", nil, GraphQLAbsence{}, GraphQLAbsence{}},
			{"forgotten before it was known", &GraphQLAbsence{}, GraphQLAbsence{}, GraphQLAbsence{}},
			{"asked", &first, first, GraphQLAbsence{}},
			{"asked again", &second, second, GraphQLAbsence{}},
			{"there is one now", &GraphQLAbsence{}, GraphQLAbsence{}, GraphQLAbsence{}},
		} {
			if step.note != nil {
				if err := s.NoteGraphQLAbsence(ctx, 1, *step.note); err != nil {
					t.Fatalf("%s: %v", step.what, err)
				}
			}
			got, err := s.GraphQLAbsence(ctx, 1)
			other, err2 := s.GraphQLAbsence(ctx, 2)
			if diff := cmp.Diff([]any{step.want, step.other, nil, nil}, []any{got, other, err, err2}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.what, diff)
			}
		}
		if err := s.NoteGraphQLAbsence(ctx, 1, GraphQLAbsence{AskedAt: at(1).In(time.FixedZone("", 3600)), AskAgainAt: at(2)}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.GraphQLAbsence(ctx, 1); err != nil || !got.AskedAt.Equal(at(1)) {
			t.Errorf("got %+v, %v: times are instants, whatever their zone", got, err)
		}
	})
}
