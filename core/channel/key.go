package channel

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"time"
)

// The lengths in bytes to which parts of keys are cut, so that a file's name has at most 255.
const (
	maxAccount = 64
	maxRegion  = 40
	maxType    = 56
)

// element turns a text into one element of a path. Accounts, regions and types come from whoever sends
// records: they may be empty, hold slashes or be two dots. Different texts become different elements; those
// that AWS gives out stay as they are.
func element(s string, most int) string {
	if s == "" {
		return "-"
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == ':', c == '_', c == '-' && s != "-", c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	out := b.String()
	if len(out) > most {
		sum := sha256.Sum256([]byte(s))
		// The tilde is never left as it is above, so that no text looks like one that was cut.
		out = out[:most-17] + "~" + hex.EncodeToString(sum[:8])
	}
	return out
}

// configKey is the key of one of AWS Config's files. Its folders have days and months without leading
// zeros, as AWS Config writes them.
func configKey(folder, account, region string, at time.Time, name string) string {
	account, region = element(account, maxAccount), element(region, maxRegion)
	return path.Join("AWSLogs", account, "Config", region, at.Format("2006/1/2"), folder, account+"_Config_"+region+"_"+folder+"_"+name+".json.gz")
}

const stamp = "20060102T150405Z"

// key is the key of a part of a group.
func (b *build) key(g group, p *part) string {
	at := b.run.Started.UTC()
	var key string
	switch b.spec.Kind {
	case Snapshot:
		name := at.Format(stamp) + "_" + b.run.ID
		if p.number > 1 {
			name = fmt.Sprintf("%s_%d", name, p.number)
		}
		key = configKey("ConfigSnapshot", g.account, g.region, at, name)
	case History:
		name := fmt.Sprintf("%s_%s_%s_%d", element(g.typ, maxType), p.from.UTC().Format(stamp), p.to.UTC().Format(stamp), p.first)
		key = configKey("ConfigHistory", g.account, g.region, at, name)
	case Trail:
		account, region := element(g.account, maxAccount), element(g.region, maxRegion)
		name := account + "_CloudTrail_" + region + "_" + at.Format("20060102T1504Z") + "_" + b.unique(p.first) + ".json.gz"
		key = path.Join("AWSLogs", account, "CloudTrail", region, at.Format("2006/01/02"), name)
	}
	return path.Join(b.spec.Prefix, key)
}

// unique is what tells the files of a trail apart: 16 letters and digits, as with CloudTrail. They begin
// with the number of the first event, so that names sort as the events came, and go on with a digest of the
// installation and the trail, so that several may write to one place.
func (b *build) unique(first int64) string {
	var out [10]byte
	binary.BigEndian.PutUint64(out[:], uint64(first)<<24)
	sum := sha256.Sum256([]byte(b.source + "\n" + b.spec.Name))
	copy(out[5:], sum[:])
	return base32.HexEncoding.EncodeToString(out[:])
}
