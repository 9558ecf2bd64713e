// Package record is what Redis holds and carries: the names of keys and channels, the records of
// members, messages, and the arguments and answers of scripts, as text. It is pure: no I/O, no clock.
//
// # What is stored
//
// P is the prefix, followed by the namespace and a colon unless that is "/", V the version of the keys ("1:"); R, N are the
// ids of a room and of a node with { } and % escaped, so that everything about one of
// them lies in one slot of a Cluster.
//
//	key               type     holds
//	P conn:CONN       hash     user_id, room_id, node_id, epoch, last_seen_ms: documented for operators
//	P V {room:R}      hash     "at": seq and generation (born); "m:" CONN: the record of a member; "u:" USER: its members
//	P V {room:R}:events        channel of the room: records, as they were written, and casts
//	P V nodes         zset     node → last life sign, Unix ms; negative: when it was marked dead
//	P V nodes:events           channel of all nodes: casts
//	P V {node:N}:rooms set     rooms in which the node may have members: what to look through if it dies
//	P V {node:N}:claim string  who reaps the node
//	P V user:USER     hash     "CONN ROOM" → life; store.UserTTL
//
// A record has a header, ended by a line break; the state, which scripts do not read; and
// after another line break the last line, below 150 bytes, which scripts write. Tabs
// separate the fields of both:
//
//	header
//	 1 version   of the record: 1
//	 2 epoch
//	 3 write     its number
//	 4 owner
//	 5 user
//	 6 conn
//	 7 intent    of the write: a letter
//	 8 joined    Unix ms; 0: with this write
//	 9 grace     ms
//	10 until     the end of a running grace, Unix ms; 0: none runs
//	11 flags     a: away
//	12 lost      why the connection was lost; of a leave, its reason
//	13 token     the digest of the resume token in hex; empty: none
//	14 life
//	last line
//	 1 at        seq and born of the room after the write; only the seq if it was quiet
//	 2 sec       the time of the write,
//	 3 us        as TIME answers it
//	 4 conns     members of the user
//	 5 before    the seq before; left out if it is one less
//	 6 reset     r: the write began the room's record again
//
// A cast has the header "1", "c", and the payload after its line break.
//
// # How it may change
//
// A header and the last line grow at their end only; a field keeps its place, its
// meaning and its values. Readers leave fields that they do not know. A release that
// adds a field raises the version that it can read, and the one after it is the first
// that writes it: in a deploy from one to the next nobody meets what it cannot read.
// Should that happen (after a step back, or a jump), members of a newer version are shown
// as far as they are known, and store.Member.Newer carries the rest: whatever an older
// node writes of the member, resume and takeover included, keeps it, and so does a
// restore. An unknown intent is taken for that of a restore, which shows what differs. All
// other changes need another version of the keys: another world.
package record
