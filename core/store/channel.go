package store

import (
	"database/sql"
	"fmt"
	"time"
)

// Channel is how far a snapshot, a history or a trail has come.
type Channel struct {
	Name string
	// Position is the number of the last version or event that is in the bucket, or that was passed
	// over because it does not belong there.
	Position int64
	// Due is when it runs again.
	Due time.Time
	// Body is the channel's own.
	Body []byte
}

// ChannelFile is a file of a run that is not in the bucket yet.
type ChannelFile struct {
	Channel string
	// Place orders the files of a run.
	Place int
	// Body is the channel's own.
	Body []byte
}

// Channel returns a channel, nil where it never ran.
func (tx *Tx) Channel(name string) (*Channel, error) {
	c := &Channel{Name: name}
	var due int64
	ok, err := tx.one(`SELECT position, due, body FROM channels WHERE name = ?`, []any{name}, &c.Position, &due, &c.Body)
	if err != nil {
		return nil, fmt.Errorf("read channel %s: %w", name, err)
	}
	if !ok {
		return nil, nil
	}
	c.Due = fromMicros(due)
	return c, nil
}

// Channels returns all channels that ever ran, by name.
func (tx *Tx) Channels() ([]Channel, error) {
	var out []Channel
	err := tx.each(`SELECT name, position, due, body FROM channels ORDER BY name`, nil, func(r *sql.Rows) error {
		var c Channel
		var due int64
		err := r.Scan(&c.Name, &c.Position, &due, &c.Body)
		c.Due = fromMicros(due)
		out = append(out, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	return out, nil
}

// PutChannel writes a channel.
func (tx *Tx) PutChannel(c Channel) error {
	err := tx.run(`INSERT INTO channels (name, position, due, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET position = excluded.position, due = excluded.due, body = excluded.body`,
		c.Name, c.Position, micros(c.Due), c.Body)
	if err != nil {
		return fmt.Errorf("write channel %s: %w", c.Name, err)
	}
	return nil
}

// AddChannelFile adds a file to the run of a channel.
func (tx *Tx) AddChannelFile(f ChannelFile) error {
	if err := tx.run(`INSERT INTO channel_files (channel, place, body) VALUES (?, ?, ?)`, f.Channel, f.Place, f.Body); err != nil {
		return fmt.Errorf("write file %d of channel %s: %w", f.Place, f.Channel, err)
	}
	return nil
}

// ChannelFiles returns the files of a channel's run that are not in the bucket yet, in order.
func (tx *Tx) ChannelFiles(channel string) ([]ChannelFile, error) {
	var out []ChannelFile
	err := tx.each(`SELECT place, body FROM channel_files WHERE channel = ? ORDER BY place`, []any{channel}, func(r *sql.Rows) error {
		f := ChannelFile{Channel: channel}
		err := r.Scan(&f.Place, &f.Body)
		out = append(out, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read files of channel %s: %w", channel, err)
	}
	return out, nil
}

// DeleteChannelFile removes a file from the run of a channel.
func (tx *Tx) DeleteChannelFile(channel string, place int) error {
	if err := tx.run(`DELETE FROM channel_files WHERE channel = ? AND place = ?`, channel, place); err != nil {
		return fmt.Errorf("remove file %d of channel %s: %w", place, channel, err)
	}
	return nil
}
