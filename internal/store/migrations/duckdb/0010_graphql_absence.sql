-- That a connection's GitLab answers no GraphQL, and until when weir need not ask
-- again (graphql_absence.go). Not published: sync_errors tells it.

CREATE TABLE graphql_absence (
  connection_id BIGINT NOT NULL,
  asked_at TIMESTAMPTZ NOT NULL,
  ask_again_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (connection_id)
);
