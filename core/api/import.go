package api

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/store"
	pluginv1 "github.com/regent-dev/regent/sdk/proto/plugin/v1"
	"github.com/regent-dev/regent/sdk/wire"
)

// ImportRole begins the names of the instances under which imported records are counted.
const ImportRole = "import"

// Imported is what became of an import.
type Imported struct {
	Instance record.Instance `json:"instance"`
	// Read = Stored + Duplicate + Quarantined.
	store.Totals
}

var importName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// maxImportBatch is the most bytes that one batch of an import may have.
const maxImportBatch = 8 << 20

// errImport says that what was sent is no import.
var errImport = errors.New("the body is not a stream of batches")

// imports takes records of the past. The body is a stream of batches as collectors send them: each is a
// regent.plugin.v1.Batch after its length as a varint. The answer comes when all of it is durable.
func (s *Server) imports(w http.ResponseWriter, r *http.Request) {
	if callerOf(r.Context()).role < RoleAdmin {
		refuse(w, http.StatusForbidden, "importing needs the role admin")
		return
	}
	plugin, label := r.URL.Query().Get("plugin"), r.URL.Query().Get("label")
	if !importName.MatchString(plugin) || !importName.MatchString(label) {
		refuse(w, http.StatusBadRequest, "plugin and label are names of letters, digits, _ and -")
		return
	}
	inst := record.NewInstance(ImportRole, plugin, label)
	var before, after store.Totals
	err := s.audited(r.Context(), "regent:Import", string(inst), func() error {
		var err error
		if before, err = s.totals(r.Context(), inst); err != nil {
			return err
		}
		if err := s.importStream(r.Context(), inst, bufio.NewReaderSize(r.Body, 1<<20)); err != nil {
			return err
		}
		after, err = s.totals(r.Context(), inst)
		return err
	})
	switch {
	case errors.Is(err, errImport):
		refuse(w, http.StatusBadRequest, err.Error())
		return
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	out, err := json.Marshal(Imported{Instance: inst, Totals: store.Totals{
		Read: after.Read - before.Read, Stored: after.Stored - before.Stored, Duplicate: after.Duplicate - before.Duplicate,
		Quarantined: after.Quarantined - before.Quarantined, Conflicts: after.Conflicts - before.Conflicts,
	}})
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// Whoever asked may be gone; what was imported stays.
	_, _ = w.Write(append(out, '\n'))
}

func (s *Server) totals(ctx context.Context, inst record.Instance) (t store.Totals, err error) {
	err = s.b.Store.View(ctx, func(tx *store.Tx) error {
		all, err := tx.Totals()
		t = all[inst]
		return err
	})
	return t, err
}

// importStream hands on the batches of a stream and waits until they are durable, also where the stream
// breaks off.
func (s *Server) importStream(ctx context.Context, inst record.Instance, in *bufio.Reader) error {
	var pending sync.WaitGroup
	// The messages are accepted: they will be committed whatever becomes of the caller.
	err := func() error {
		for {
			size, err := binary.ReadUvarint(in)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("%w: %w", errImport, err)
			}
			if size > maxImportBatch {
				return fmt.Errorf("%w: a batch has %d bytes; at most %d are taken", errImport, size, maxImportBatch)
			}
			buf := make([]byte, size)
			if _, err := io.ReadFull(in, buf); err != nil {
				return fmt.Errorf("%w: %w", errImport, err)
			}
			var b pluginv1.Batch
			if err := proto.Unmarshal(buf, &b); err != nil {
				return fmt.Errorf("%w: %w", errImport, err)
			}
			if n := len(b.GetRecords()); n > wire.MaxBatchRecords {
				return fmt.Errorf("%w: a batch has %d records; at most %d are taken", errImport, n, wire.MaxBatchRecords)
			}
			m := record.Message{Import: true, Records: make([]record.Raw, len(b.GetRecords()))}
			for i, r := range b.GetRecords() {
				m.Records[i] = record.Raw{Kind: record.Kind(r.GetKind()), JSON: r.GetJson(), Damaged: r.GetDamaged(), Origin: r.GetOrigin()}
			}
			if len(m.Records) == 0 {
				continue
			}
			pending.Add(1)
			m.Done = pending.Done
			if err := s.b.Import(ctx, inst, m); err != nil {
				pending.Done()
				return err
			}
		}
	}()
	durable := make(chan struct{})
	go func() { pending.Wait(); close(durable) }()
	select {
	case <-durable:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}
