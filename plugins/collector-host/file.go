package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/regent-dev/regent/plugins/collector-host/internal/rootfs"
)

// fileConfiguration is one file, folder or link.
type fileConfiguration struct {
	Path          string `json:"path" doc:"Path. Bytes that are not UTF-8 are written as \\xNN."`
	Type          string `json:"type" doc:"file, directory, symlink, socket, pipe, character-device or block-device."`
	Mode          string `json:"mode" doc:"Permission bits in octal, with those for set-user-id, set-group-id and sticky: 0644, 4755."`
	UID           uint32 `json:"uid" doc:"Id of the owner."`
	GID           uint32 `json:"gid" doc:"Id of the group."`
	Owner         string `json:"owner,omitempty" doc:"Name of the owner; absent where no account has the id."`
	Group         string `json:"group,omitempty" doc:"Name of the group; absent where no group has the id."`
	WorldReadable bool   `json:"worldReadable" doc:"Whether everybody may read it. Of a link nothing is said."`
	WorldWritable bool   `json:"worldWritable" doc:"Whether everybody may write to it. Of a link nothing is said."`
	GroupWritable bool   `json:"groupWritable" doc:"Whether the group may write to it. Of a link nothing is said."`
	SetUID        bool   `json:"setuid" doc:"Whether it runs as its owner."`
	SetGID        bool   `json:"setgid" doc:"Whether it runs as its group, or hands its group on."`
	Sticky        bool   `json:"sticky" doc:"Whether only owners may remove what lies in the folder."`
	SizeBytes     *int64 `json:"sizeBytes,omitempty" doc:"Size of a file."`
	SHA256        string `json:"sha256,omitempty" doc:"SHA-256 of a file's content."`
	NotRead       string `json:"notRead,omitempty" doc:"Why the content was not read: too large, not permitted, metadata only, changing."`
	LinkTarget    string `json:"linkTarget,omitempty" doc:"What a link leads to, as it is written."`
	Package       string `json:"package,omitempty" doc:"Id of the package that it belongs to."`
	Watched       bool   `json:"watched" doc:"Whether changes of it are events too."`
	ModifiedAt    string `json:"modifiedAt,omitempty" doc:"When the content was changed last, as the file system tells it."`
}

// The reasons for not reading a file's content.
const (
	notReadLarge     = "too large"
	notReadPermitted = "not permitted"
	notReadMetadata  = "metadata only"
	notReadChanging  = "changing"
)

// observed is a file as it was at one moment.
type observed struct {
	conf     fileConfiguration
	dev, ino uint64
	modified time.Time
	captured time.Time
}

// errGone says that there is no such file.
var errGone = errors.New("no such file")

// observe looks at one file. It returns errGone where there is none.
func (r *run) observe(name string) (*observed, error) {
	at := time.Now()
	info, err := r.tree.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, errGone
	}
	if err != nil {
		return nil, err
	}
	o := r.describe(name, info)
	o.captured = at
	switch info.Mode().Type() {
	case 0:
		r.content(name, o)
	case fs.ModeSymlink:
		if o.conf.LinkTarget, err = r.tree.Readlink(name); errors.Is(err, fs.ErrNotExist) {
			return nil, errGone
		}
		o.conf.LinkTarget = printable(o.conf.LinkTarget)
	}
	return o, nil
}

// describe turns what lstat says into a configuration.
func (r *run) describe(name string, info fs.FileInfo) *observed {
	mode := info.Mode()
	o := &observed{modified: info.ModTime()}
	c := &o.conf
	c.Path, c.Type, c.Mode = printable(name), fileType(mode), fmt.Sprintf("%04o", permissions(mode))
	c.ModifiedAt = info.ModTime().UTC().Format(time.RFC3339)
	c.Watched = r.watched(name)
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		o.dev, o.ino = uint64(st.Dev), st.Ino
		c.UID, c.GID = st.Uid, st.Gid
	}
	c.Owner, c.Group = r.names.of(c.UID, c.GID)
	if mode.Type() != fs.ModeSymlink {
		c.WorldReadable, c.WorldWritable, c.GroupWritable = mode&0o004 != 0, mode&0o002 != 0, mode&0o020 != 0
		c.SetUID, c.SetGID, c.Sticky = mode&fs.ModeSetuid != 0, mode&fs.ModeSetgid != 0, mode&fs.ModeSticky != 0
	}
	return o
}

// content adds what a regular file holds.
func (r *run) content(name string, o *observed) {
	if r.metadataOnly.match(name) {
		o.conf.NotRead = notReadMetadata
		return
	}
	sum, info, err := r.sums.of(r.tree, name, r.cfg.MaxFileSize)
	if info != nil {
		size := info.Size()
		o.conf.SizeBytes = &size
	}
	switch {
	case err == nil:
		o.conf.SHA256 = hex.EncodeToString(sum[:])
	case errors.Is(err, rootfs.ErrTooLarge):
		o.conf.NotRead = notReadLarge
	case unreadable(err):
		o.conf.NotRead = notReadPermitted
	default:
		// It was replaced or removed since lstat; the next look sees what it became.
		o.conf.NotRead = notReadChanging
	}
}

func fileType(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return "file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symlink"
	case fs.ModeSocket:
		return "socket"
	case fs.ModeNamedPipe:
		return "pipe"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "character-device"
	case fs.ModeDevice:
		return "block-device"
	}
	return "other"
}

// permissions are the bits that chmod takes.
func permissions(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		bits |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

// printable writes a file name, which may be any bytes, as UTF-8 without losing any: two names never
// become one.
func printable(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	var out strings.Builder
	for i := 0; i < len(name); {
		c, n := utf8.DecodeRuneInString(name[i:])
		if c == utf8.RuneError && n == 1 {
			fmt.Fprintf(&out, `\x%02x`, name[i])
		} else {
			out.WriteString(name[i : i+n])
		}
		i += n
	}
	return out.String()
}

// fileResource makes a resource of a file.
func (r *run) fileResource(o *observed) resource {
	c := o.conf
	c.Package = r.owners.of(c.Path)
	res := resource{id: c.Path, name: path.Base(c.Path), configuration: c, captured: o.captured}
	if c.Owner != "" {
		res.relationships = append(res.relationships, relation(typeUser, c.Owner, "Is owned by"))
	}
	if c.Group != "" {
		res.relationships = append(res.relationships, relation(typeGroup, c.Group, "Belongs to group"))
	}
	if c.Package != "" {
		res.relationships = append(res.relationships, relation(typePackage, c.Package, "Belongs to package"))
	}
	if c.LinkTarget != "" {
		target := c.LinkTarget
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(c.Path), target)
		}
		res.relationships = append(res.relationships, relation(typeFile, path.Clean(target), "Leads to"))
	}
	return res
}

// sums remembers digests of files for as long as the files look untouched. It is safe for concurrent
// use.
type sums struct {
	mu    sync.Mutex
	known map[string]sum
}

type sum struct {
	dev, ino        uint64
	size            int64
	modified, moved syscall.Timespec
	digest          [sha256.Size]byte
}

func newSums() *sums { return &sums{known: map[string]sum{}} }

// settledAfter is how long a file must have been left alone for its digest to be remembered: file
// systems tell times in steps, so that two writes soon after each other may leave the same time.
const settledAfter = 2 * time.Second

// of returns the digest of a file, reading it only if it has to.
func (s *sums) of(tree *rootfs.Tree, name string, limit int64) ([sha256.Size]byte, fs.FileInfo, error) {
	info, err := tree.Lstat(name)
	if err != nil {
		return [sha256.Size]byte{}, nil, err
	}
	if info.Size() > limit {
		return [sha256.Size]byte{}, info, rootfs.ErrTooLarge
	}
	now := stampOf(info)
	s.mu.Lock()
	known, ok := s.known[name]
	s.mu.Unlock()
	if digest := known.digest; ok {
		if known.digest = now.digest; known == now {
			return digest, info, nil
		}
	}
	digest, info, err := tree.Sum(name, limit)
	if err != nil {
		return digest, info, err
	}
	now = stampOf(info)
	now.digest = digest
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(time.Unix(now.moved.Unix())) > settledAfter {
		s.known[name] = now
	} else {
		delete(s.known, name)
	}
	return digest, info, nil
}

func (s *sums) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, name)
}

func stampOf(info fs.FileInfo) sum {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return sum{size: -1}
	}
	return sum{dev: uint64(st.Dev), ino: st.Ino, size: st.Size, modified: st.Mtim, moved: st.Ctim}
}
