package catalog

import _ "embed" // the schema

//go:embed services.schema.json
var schema []byte

// Schema gives the JSON Schema of services.yaml. The slice is the caller's.
func Schema() []byte { return append([]byte(nil), schema...) }
