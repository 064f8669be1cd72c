package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/regent-dev/regent/core/query"
)

// RowsType is the form of a result in which its end can be told: a line for the columns, a line for
// each row, which is an array, and a line of SQLEnd. Each but the rows is an object.
const RowsType = "application/vnd.regent.rows+ndjson"

// SQLBegin is the first line of RowsType.
type SQLBegin struct {
	Columns []query.Column `json:"columns"`
	// Notes say what could not be done for the safety of the query.
	Notes []string `json:"notes,omitempty"`
}

// SQLEnd is the last line of RowsType. Error is nil where the rows are all there are.
type SQLEnd struct {
	Rows    int64        `json:"rows"`
	Elapsed float64      `json:"elapsedSeconds"`
	Error   *query.Error `json:"error,omitempty"`
}

// SQLRequest is a question.
type SQLRequest struct {
	SQL     string `json:"sql" maxLength:"1048576" doc:"One SELECT."`
	Since   string `json:"since,omitempty" doc:"Of events only those from this time on are looked at, and only the files that may hold them are read."`
	Until   string `json:"until,omitempty" doc:"Of events only those before this time."`
	Timeout string `json:"timeout,omitempty" doc:"How long it may take at most, such as 30s; the daemon's own limit holds besides."`
}

type sqlInput struct {
	Accept string `header:"Accept" doc:"The form of the result: application/json (the default), application/x-ndjson, text/csv, text/plain, application/vnd.apache.parquet, or application/vnd.regent.rows+ndjson, in which an error after the first rows is told."`
	Body   SQLRequest
}

// SQLErrorType begins the type of the problem that a query ends in; its kind follows.
const SQLErrorType = "urn:regent:query:"

// maxSQLBody has room for a statement of which each byte is escaped.
const maxSQLBody = 6*query.MaxSQL + 4096

func (s *Server) registerSQL(api huma.API) {
	content := map[string]*huma.MediaType{RowsType: {}}
	for _, t := range query.ContentTypes {
		content[t] = &huma.MediaType{}
	}
	huma.Register(api, huma.Operation{
		OperationID: "query", Method: http.MethodPost, Path: "/v1/query", Summary: "Answer a question in SQL over the recorded history",
		MaxBodyBytes: maxSQLBody,
		Responses:    map[string]*huma.Response{"200": {Description: "The result, streamed.", Content: content}},
	}, func(ctx context.Context, in *sqlInput) (*huma.StreamResponse, error) {
		if callerOf(ctx).role < RoleRead {
			return nil, huma.Error403Forbidden("the token's role does not allow this")
		}
		contentType, format, err := accepted(in.Accept)
		if err != nil {
			return nil, huma.Error406NotAcceptable(err.Error())
		}
		r := query.Request{SQL: in.Body.SQL}
		for _, at := range []struct {
			name, text string
			to         *time.Time
		}{{"since", in.Body.Since, &r.Events.Since}, {"until", in.Body.Until, &r.Events.Until}} {
			if *at.to, err = when(at.name, at.text); err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
		}
		if in.Body.Timeout != "" {
			if r.Timeout, err = time.ParseDuration(in.Body.Timeout); err != nil || r.Timeout <= 0 {
				return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("timeout %q is no time, such as 30s", in.Body.Timeout))
			}
		}
		res, err := s.b.Query(ctx, r)
		if err != nil {
			return nil, sqlProblem(err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			defer res.Close()
			hc.SetHeader("Content-Type", contentType)
			for _, n := range res.Notes {
				hc.AppendHeader("Regent-Query-Note", n)
			}
			s.stream(hc, res, format)
		}}, nil
	})
	operation(api, RoleRead, http.MethodGet, "/v1/query/schema", "querySchema", "The tables and columns that SQL can ask", func(context.Context, *struct{}) ([]query.Table, error) {
		return query.Schema(), nil
	})
}

// stream writes a result.
func (s *Server) stream(hc huma.Context, res *query.Result, f query.Format) {
	w := &flushed{w: hc.BodyWriter()}
	var err error
	if f == "" {
		err = writeRows(w, res)
	} else {
		err = query.Write(w, f, res.Columns, res)
	}
	if err == nil {
		return
	}
	s.b.Log.Info("a query's result broke off", "err", err)
	// These forms have no place for an error, so the connection is cut: half a result must not look
	// like a whole one.
	panic(http.ErrAbortHandler)
}

// writeRows writes a result as RowsType. An error of the query is part of it.
func writeRows(w io.Writer, res *query.Result) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(SQLBegin{Columns: res.Columns, Notes: res.Notes}); err != nil {
		return err
	}
	var end SQLEnd
	var buf []byte
	for {
		rows, err := res.Next()
		if errors.Is(err, io.EOF) {
			end.Elapsed = res.Summary().Elapsed.Seconds()
			break
		}
		if err != nil {
			if !errors.As(err, &end.Error) {
				end.Error = &query.Error{Kind: query.Internal, Message: err.Error()}
			}
			break
		}
		buf = buf[:0]
		for _, r := range rows {
			buf = append(buf, '[')
			for i, v := range r {
				if i > 0 {
					buf = append(buf, ',')
				}
				buf = append(buf, v...)
			}
			buf = append(buf, "]\n"...)
		}
		end.Rows += int64(len(rows))
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return e.Encode(end)
}

// flushed sends each write at once, so that rows arrive as they come.
type flushed struct{ w io.Writer }

// Write implements io.Writer.
func (f *flushed) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if fl, ok := f.w.(http.Flusher); ok && err == nil {
		fl.Flush()
	}
	return n, err
}

// accepted chooses the form of a result; the format is "" for RowsType.
func accepted(header string) (contentType string, f query.Format, err error) {
	best := -1.0
	for part := range strings.SplitSeq(header, ",") {
		t, params, parseErr := mime.ParseMediaType(part)
		if parseErr != nil {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, parseErr = strconv.ParseFloat(s, 64); parseErr != nil || q <= 0 {
				continue
			}
		}
		if q <= best {
			continue
		}
		switch t {
		case RowsType:
			contentType, f, best = RowsType, "", q
			continue
		case "*/*", "application/*":
			contentType, f, best = query.ContentTypes[query.FormatJSON], query.FormatJSON, q
			continue
		}
		for format, ct := range query.ContentTypes {
			if ct == t {
				contentType, f, best = ct, format, q
			}
		}
	}
	switch {
	case best >= 0:
		return contentType, f, nil
	case strings.TrimSpace(header) == "":
		return query.ContentTypes[query.FormatJSON], query.FormatJSON, nil
	}
	return "", "", fmt.Errorf("a result has none of the forms %q; see the description of the call", header)
}

// sqlProblem makes a problem of why there is no result.
func sqlProblem(err error) error {
	var e *query.Error
	if !errors.As(err, &e) {
		return huma.Error500InternalServerError("the daemon cannot answer: " + err.Error())
	}
	status := http.StatusInternalServerError
	switch e.Kind {
	case query.Syntax, query.NotASelect, query.Refused, query.Limit:
		status = http.StatusUnprocessableEntity
	case query.Timeout:
		status = http.StatusGatewayTimeout
	case query.Cancelled:
		status = http.StatusRequestTimeout
	case query.Unavailable:
		status = http.StatusServiceUnavailable
	}
	p := &huma.ErrorModel{Type: SQLErrorType + string(e.Kind), Title: http.StatusText(status), Status: status, Detail: e.Message}
	if e.Position > 0 {
		p.Errors = []*huma.ErrorDetail{{Location: "body.sql", Message: e.Message, Value: e.Position}}
	}
	return p
}
