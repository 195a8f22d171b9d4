-- What each connection saw when it last looked at everything (reach.go). Not
-- published: it says nothing about GitLab that the other tables do not.

CREATE TABLE reach (
  connection_id BIGINT NOT NULL,
  seen VARCHAR NOT NULL,
  PRIMARY KEY (connection_id)
);
