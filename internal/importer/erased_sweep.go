package importer

import (
	"context"
	"errors"
	"slices"

	"github.com/weirhq/weir/internal/gitlab"
)

// sweepFaultsMost is how many questions of a round that GitLab gave up on, or
// answered in part, are asked again in parts.
const sweepFaultsMost = 4

// sweeper makes sweeps.
type sweeper struct {
	run    *run
	size   *bulkSize
	asked  int
	faults int
}

// readAll reads sweeps to their ends: first the top of all of them.
func (s *sweeper) readAll(ctx context.Context, sweeps []*sweep) error {
	if err := s.readPage(ctx, sweeps); err != nil {
		return err
	}
	for _, one := range sweeps {
		for !one.over() {
			if err := s.readPage(ctx, []*sweep{one}); err != nil {
				return err
			}
		}
	}
	return nil
}

// readPage reads the next page of the sweeps, and parts of it where GitLab gives
// up or does not tell of all.
func (s *sweeper) readPage(ctx context.Context, sweeps []*sweep) error {
	size := s.size.get()
	pages, err := s.ask(ctx, sweeps, size)
	if kind := gitlab.KindOf(err); kind == gitlab.Timeout || kind == gitlab.TooComplex || errors.Is(err, gitlab.ErrMoreProjects) {
		if s.faults++; s.faults > sweepFaultsMost {
			return err
		}
		if half := len(sweeps) / 2; half > 0 {
			if err := s.readPage(ctx, sweeps[:half]); err != nil {
				return err
			}
			return s.readPage(ctx, sweeps[half:])
		}
		if s.size.failed(size) {
			return s.readPage(ctx, sweeps)
		}
	}
	if err != nil {
		return err
	}
	for _, one := range sweeps {
		i := slices.IndexFunc(pages, func(p gitlab.ErasedPage) bool { return p.ProjectID == int64(one.visit.project.ID) })
		if i < 0 {
			one.at = pass{OwnEnded: true, ChildrenEnded: true} // hidden, or gone: others will say so
			continue
		}
		p := pages[i]
		if err := s.longer(ctx, one.visit, &p); err != nil {
			return err
		}
		if err := one.visit.compareErased(ctx, p.Builds); err != nil {
			return err
		}
		one.read++
		one.at = pass{Own: p.OwnNext, Children: p.ChildrenNext, OwnEnded: p.OwnNext == "", ChildrenEnded: p.ChildrenNext == ""}
	}
	return nil
}

// ask sends one request: for the tops of several sweeps, or for where one stands.
func (s *sweeper) ask(ctx context.Context, sweeps []*sweep, size int) ([]gitlab.ErasedPage, error) {
	at := sweeps[0].at
	q := gitlab.ErasedQuery{
		UpdatedAfter: sweeps[0].since, First: size,
		OwnAfter: at.Own, NoOwn: at.OwnEnded, ChildrenAfter: at.Children, NoChildren: at.ChildrenEnded,
	}
	for _, one := range sweeps {
		q.ProjectIDs = append(q.ProjectIDs, int64(one.visit.project.ID))
		if one.since.Before(q.UpdatedAfter) {
			q.UpdatedAfter = one.since
		}
	}
	client := s.run.source.Client
	if len(sweeps) == 1 {
		client = sweeps[0].visit.client
	}
	s.asked++
	return client.Erased(ctx, q)
}

// longer adds what lies behind the first hundred builds of a pipeline.
func (s *sweeper) longer(ctx context.Context, v *visit, p *gitlab.ErasedPage) error {
	for _, pl := range p.Longer {
		for next := pl.After; next != ""; {
			s.asked++
			jobs, after, _, err := v.client.RunJobs(ctx, p.FullPath, pl.IID, next, false)
			if absent(err) {
				break // deleted meanwhile
			}
			if err != nil {
				return err
			}
			for _, j := range jobs {
				if at, ok := j.ErasedAt.Get(); ok {
					p.Builds = append(p.Builds, gitlab.ErasedBuild{ID: j.ID, PipelineID: pl.ID, ErasedAt: at.Time})
				}
			}
			next = after
		}
	}
	return nil
}
