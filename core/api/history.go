package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/regent-dev/regent/core/lake/table"
)

// Export says which recorded rows are wanted, in the order of their numbers.
type Export struct {
	Table table.Name
	// Since is the first time that is wanted, Until the first that is not any more; zero is no bound. The
	// time of a row is when it happened, with Received when it was recorded.
	Since, Until time.Time
	Received     bool
	// State puts before configuration items those that were in force at Since.
	State bool
	// Parquet writes a Parquet file instead of lines of JSON.
	Parquet bool
}

// history streams recorded rows: a line of JSON each, and at the end a line {"end":true,"rows":N}, so that
// a stream that was cut short shows.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	if callerOf(r.Context()).role < RoleRead {
		refuse(w, http.StatusForbidden, "the token's role does not allow this")
		return
	}
	o := Export{Table: table.Name(r.PathValue("table"))}
	if !slices.Contains(table.Names[:], o.Table) {
		refuse(w, http.StatusNotFound, fmt.Sprintf("there is no table %q; the tables are %v", o.Table, table.Names))
		return
	}
	q := r.URL.Query()
	var err error
	for name, values := range q {
		value := values[0]
		switch name {
		case "since":
			o.Since, err = when(name, value)
		case "until":
			o.Until, err = when(name, value)
		case "state":
			o.State, err = strconv.ParseBool(value)
		case "by":
			if o.Received = value == "received"; !o.Received && value != "time" {
				err = fmt.Errorf("by is time or received, not %q", value)
			}
		case "format":
			if o.Parquet = value == "parquet"; !o.Parquet && value != "ndjson" {
				err = fmt.Errorf("format is ndjson or parquet, not %q", value)
			}
		default:
			err = fmt.Errorf("there is no parameter %q; since, until, by, state and format are possible", name)
		}
		if err != nil {
			refuse(w, http.StatusUnprocessableEntity, err.Error())
			return
		}
	}
	out := &started{ResponseWriter: w}
	out.Header().Set("Content-Type", map[bool]string{false: "application/x-ndjson", true: "application/vnd.apache.parquet"}[o.Parquet])
	buf := bufio.NewWriterSize(out, 256<<10)
	err = s.b.Export(r.Context(), o, buf)
	if err == nil {
		err = buf.Flush()
	}
	switch {
	case err == nil || r.Context().Err() != nil:
	case !out.begun:
		refuse(w, http.StatusInternalServerError, "the daemon cannot answer: "+err.Error())
	default:
		// The answer has begun: that its end is missing is what tells the caller.
		s.b.Log.Error("an export broke off", "table", o.Table, "err", err)
		if !o.Parquet {
			// A last line says why, where the connection still takes it.
			if line, jsonErr := json.Marshal(map[string]string{"error": err.Error()}); jsonErr == nil && buf.Flush() == nil {
				_, _ = out.Write(append([]byte{'\n'}, append(line, '\n')...))
				_ = http.NewResponseController(w).Flush()
			}
		}
		panic(http.ErrAbortHandler)
	}
}

// started knows whether the answer has begun.
type started struct {
	http.ResponseWriter
	begun bool
}

// Write implements http.ResponseWriter.
func (s *started) Write(b []byte) (int, error) {
	s.begun = true
	return s.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (s *started) Unwrap() http.ResponseWriter { return s.ResponseWriter }
