package store

import (
	"context"

	"github.com/weirhq/weir/internal/ci"
)

// Move says that a project's page is at another address now: the project was
// renamed, or went to another group. GitLab gives the new address for all its
// pipelines and jobs, without any of them having changed.
type Move struct {
	InstanceID ci.InstanceID
	ProjectID  ci.ProjectID
	From, To   string // web_url of the project
}

// moved rewrites the beginning of web_url below a project: $1 instance, $2
// project, $3 from, $4 to, both with the separator that follows a project's path.
var moved = [...]string{
	"UPDATE pipelines SET web_url = $4 || substr(web_url, length($3) + 1) WHERE instance_id = $1 AND project_id = $2 AND starts_with(web_url, $3)",
	"UPDATE jobs SET web_url = $4 || substr(web_url, length($3) + 1) WHERE instance_id = $1 AND project_id = $2 AND starts_with(web_url, $3)",
}

func move(ctx context.Context, w writer, list []Move) error {
	const separator = "/-/"
	for _, m := range list {
		for _, statement := range moved {
			if _, err := w.exec(ctx, statement, int64(m.InstanceID), int64(m.ProjectID), m.From+separator, m.To+separator); err != nil {
				return err
			}
		}
	}
	return nil
}
