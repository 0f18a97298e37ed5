// Judges an exported log with the libraries of others: golang.org/x/mod/sumdb/tlog and note, and transparency-dev/formats and merkle.
//
//	tlog DIR POLICY PROOFS
//
// DIR is an export in C2SP tlog-tiles layout, POLICY a C2SP tlog-policy, PROOFS lines of `cosigned_log`. It prints how many checks passed
// and failed; exit 0 when none failed. Nothing here is shared with the gateway.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/formats/witness"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

var passed, failed int

// check counts, and says what failed.
func check(what string, err error) {
	if err == nil {
		passed++
		return
	}
	failed++
	fmt.Fprintf(os.Stderr, "FAILED %s: %v\n", what, err)
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "tlog:", err)
		os.Exit(1)
	}
	return value
}

// folder reads tiles of height 8, as C2SP lays them out, for x/mod's own tree.
type folder string

func (f folder) Height() int { return 8 }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		// x/mod writes the height into the path: tile/8/0/001 is C2SP's tile/0/001.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil && tile.W < 256 {
			// Of a full tile the partial one may be gone.
			whole := tile
			whole.W = 256
			data, err = os.ReadFile(filepath.Join(string(f), strings.Replace(whole.Path(), "tile/8/", "tile/", 1)))
			if err == nil {
				data = data[:tile.W*32]
			}
		}
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// bundle gives the entries of one bundle.
func bundle(dir string, tile int64, width int) [][]byte {
	path := tlog.Tile{H: 8, L: -1, N: tile, W: width}.Path()
	data := must(os.ReadFile(filepath.Join(dir, strings.Replace(path, "tile/8/data/", "tile/entries/", 1))))
	var entries [][]byte
	for len(data) >= 2 {
		size := int(binary.BigEndian.Uint16(data))
		entries, data = append(entries, data[2:2+size]), data[2+size:]
	}
	return entries
}

func main() {
	dir, policy, proofs := os.Args[1], os.Args[2], os.Args[3]
	signed := must(os.ReadFile(filepath.Join(dir, "checkpoint")))
	vkey := strings.TrimSpace(string(must(os.ReadFile(filepath.Join(dir, "log.vkey")))))
	verifier := must(note.NewVerifier(vkey))
	head, _, _, err := log.ParseCheckpoint(signed, verifier.Name(), verifier)
	check("checkpoint", err)
	tree := tlog.Tree{N: int64(head.Size)}
	copy(tree.Hash[:], head.Hash)

	judgePolicy(signed, policy)
	readEverything(dir, tree)
	judgeProofs(proofs)
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}

// judgePolicy: a quorum of cosignatures, and none when the text under them is another.
func judgePolicy(signed []byte, path string) {
	var lines []string
	for _, line := range strings.Split(string(must(os.ReadFile(path))), "\n") {
		// This library wants an address for each witness, which the format leaves out when nobody calls it.
		if strings.HasPrefix(line, "witness ") {
			line += fmt.Sprintf(" https://witness.invalid/%d", len(lines))
			_, err := fnote.NewVerifierForCosignatureV1(strings.Fields(line)[2])
			check("cosigning key", err)
		}
		lines = append(lines, line)
	}
	group := must(witness.ParsePolicy([]byte(strings.Join(lines, "\n"))))
	satisfied := func(note []byte, expected bool) error {
		if group.Satisfied(note) != expected {
			return fmt.Errorf("expected %v", expected)
		}
		return nil
	}
	check("quorum", satisfied(signed, true))
	check("another size", satisfied(bytes.Replace(signed, []byte("\n"), []byte("\n1"), 1), false))
	text, signatures, _ := bytes.Cut(signed, []byte("\n\n"))
	alone := append(append(bytes.Clone(text), "\n\n"...), bytes.SplitAfter(signatures, []byte("\n"))[0]...)
	check("no cosignature", satisfied(alone, false))
}

// readEverything reads every leaf through authenticated tiles, and compares it with its entry.
func readEverything(dir string, tree tlog.Tree) {
	reader := tlog.TileHashReader(tree, folder(dir))
	for tile := int64(0); tile*256 < tree.N; tile++ {
		width := int(min(256, tree.N-tile*256))
		var places []int64
		for index := tile * 256; index < tile*256+int64(width); index++ {
			places = append(places, tlog.StoredHashIndex(0, index))
		}
		hashes, err := reader.ReadHashes(places)
		check(fmt.Sprintf("tile %d", tile), err)
		entries := bundle(dir, tile, width)
		for place, hash := range hashes {
			if place >= len(entries) || tlog.RecordHash(entries[place]) != hash {
				err = fmt.Errorf("entry %d is not its leaf", tile*256+int64(place))
			}
		}
		check(fmt.Sprintf("entries of tile %d", tile), err)
	}
	for _, index := range []int64{0, tree.N / 2, tree.N - 1} {
		record, err := tlog.ProveRecord(tree.N, index, reader)
		check("prove a record from the tiles", err)
		hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		check("read it", err)
		check("check it", tlog.CheckRecord(record, tree.N, tree.Hash, index, hashes[0]))
	}
}

// judgeProofs: ours hold for two libraries, and spoilt ones for neither.
func judgeProofs(path string) {
	lines := bufio.NewScanner(must(os.Open(path)))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		first, second := must(strconv.ParseUint(words[1], 10, 64)), must(strconv.ParseUint(words[2], 10, 64))
		var hashes [][]byte
		for _, word := range words[3:] {
			hashes = append(hashes, must(hex.DecodeString(word)))
		}
		judge := func(hashes [][]byte) (error, error) {
			ours := make([]tlog.Hash, len(hashes))
			for i, hash := range hashes {
				copy(ours[i][:], hash)
			}
			if words[0] == "inclusion" {
				return proof.VerifyInclusion(rfc6962.DefaultHasher, first, second, hashes[0], hashes[2:], hashes[1]),
					tlog.CheckRecord(ours[2:], int64(second), ours[1], int64(first), ours[0])
			}
			return proof.VerifyConsistency(rfc6962.DefaultHasher, first, second, hashes[2:], hashes[0], hashes[1]),
				tlog.CheckTree(ours[2:], int64(second), ours[1], int64(first), ours[0])
		}
		merkle, sumdb := judge(hashes)
		check(lines.Text()[:30]+" (merkle)", merkle)
		check(lines.Text()[:30]+" (sumdb)", sumdb)
		spoilt := append([][]byte{}, hashes...)
		last := bytes.Clone(spoilt[len(spoilt)-1])
		last[7] ^= 1
		spoilt[len(spoilt)-1] = last
		merkle, sumdb = judge(spoilt)
		if merkle == nil || sumdb == nil {
			check("a spoilt proof", fmt.Errorf("%s holds", words[0]))
		}
	}
}
