/**
 * Weirds: odd traffic is data, not an exception. One table gives each oddity its name, its meaning and what an
 * operator can do; raising one is an array increment. `docs/weirds.md` is generated from this table.
 *
 * Names: `<stage>.<protocol>.<condition>`; limits: `limit.<stage>.<name>`, whose `meaning` ends with the
 * behaviour in brackets: [stop-flow], [drop-oldest], [cut-body], [cut-head], [refuse-new], [declare-gap], [drop].
 * `zeek` is the name of Zeek's weird for the same thing, where there is one.
 */
export interface Weird {
  readonly name: string;
  readonly meaning: string;
  readonly next: string;
  readonly zeek?: string;
}

const SNAPLEN = 'Capture whole packets: raise the snap length or the MTU of the mirror target.';
const OFFLOAD = 'Nothing: mirrored packets often carry checksums that the network card fills in later.';
const HOSTILE = 'Look at the sender: common software does not send this.';
const SMUGGLING = 'Look for request smuggling.';
const NOTHING = 'Nothing: this is how networks are.';
const LOSS = 'Look for packet loss on the way to the sensor (mirror bandwidth, kernel drops).';
const RAISE = 'Raise the limit in the configuration if this traffic matters.';
const CUT_FILE = 'Copy the file again: its end is missing.';

const table = [
  // capture
  { name: 'capture.file.cut', meaning: 'The file ends in the middle of a packet; all packets before it were read.', next: CUT_FILE },
  {
    name: 'capture.file.compressed_cut',
    meaning: 'The compressed file ends early or is damaged; all packets before the damage were read.',
    next: CUT_FILE,
  },
  {
    name: 'capture.pcap.bad_length',
    meaning: 'A packet record states an impossible length; reading the file stops there.',
    next: CUT_FILE,
  },
  {
    name: 'capture.pcap.out_of_order',
    meaning: 'Packet time went back by more than a second.',
    next: 'Sort the file with reordercap, or read the files in one command so that they are merged.',
  },
  {
    name: 'capture.pcapng.bad_block',
    meaning: 'A block states an impossible length or its two lengths differ; reading the file stops there.',
    next: CUT_FILE,
  },
  {
    name: 'capture.pcapng.bad_packet',
    meaning: 'A packet block states more captured bytes than it holds; the packet was skipped.',
    next: CUT_FILE,
  },
  {
    name: 'capture.pcapng.bad_option',
    meaning: 'An option of an interface states more bytes than its block holds; the options from there on were ignored.',
    next: CUT_FILE,
  },
  { name: 'capture.pcapng.unknown_interface', meaning: 'A packet block names an interface that was not described.', next: CUT_FILE },
  {
    name: 'capture.pcapng.no_timestamp',
    meaning: 'A simple packet block carries no time; the time of the packet before it is used.',
    next: NOTHING,
  },
  {
    name: 'capture.packet.too_long',
    meaning: 'A packet is longer than the packet buffer and was skipped.',
    next: 'Switch large receive offload off on the capturing interface.',
  },
  {
    name: 'capture.link.unsupported',
    meaning: 'Packets of an interface with a link type that Earshot does not read were skipped.',
    next: 'Capture on an Ethernet, raw IP, SLL or loopback interface.',
  },
  {
    name: 'capture.endpoint.no_time',
    meaning: 'A datagram came without the time of its arrival; the clock was read instead.',
    next: NOTHING,
  },
  {
    name: 'capture.endpoint.read_failed',
    meaning: 'The kernel refused to hand over datagrams of a tunnel end-point; it is asked again.',
    next: 'Restart the sensor when this goes on counting.',
  },
  {
    name: 'limit.capture.interfaces',
    meaning: 'More capture interfaces than are told apart; packets of later ones were skipped. [refuse-new]',
    next: 'Read the files one at a time.',
  },
  {
    name: 'limit.capture.files_open',
    meaning: 'A file was due but had to wait, because capture.filesOpenMax others were being read; its packets come late. [refuse-new]',
    next: 'Merge some of the files with mergecap first.',
  },
  // decode
  { name: 'decode.link.truncated', meaning: 'The packet ends inside its link-layer header.', next: SNAPLEN, zeek: 'truncated_link_header' },
  { name: 'decode.link.unknown_type', meaning: 'The link header names a protocol that Earshot does not look into.', next: NOTHING },
  { name: 'decode.vlan.truncated', meaning: 'The packet ends inside a VLAN tag.', next: SNAPLEN },
  { name: 'decode.mpls.truncated', meaning: 'The packet ends inside the MPLS label stack.', next: SNAPLEN },
  {
    name: 'decode.pppoe.truncated',
    meaning: 'The packet ends inside its PPPoE or PPP header.',
    next: SNAPLEN,
    zeek: 'truncated_pppoe_header',
  },
  { name: 'decode.ipv4.truncated', meaning: 'The packet ends inside its IPv4 header.', next: SNAPLEN, zeek: 'truncated_IP' },
  {
    name: 'decode.ipv4.bad_header',
    meaning: 'Version or header length of an IPv4 header is impossible.',
    next: HOSTILE,
    zeek: 'invalid_IP_header_size',
  },
  {
    name: 'decode.ipv4.bad_length',
    meaning: 'The IPv4 total length is shorter than the header.',
    next: HOSTILE,
    zeek: 'invalid_IP_header_size',
  },
  {
    name: 'decode.ipv4.cut',
    meaning: 'Fewer bytes were captured than the IPv4 total length says: a hole of known size.',
    next: SNAPLEN,
    zeek: 'truncated_IP',
  },
  {
    name: 'decode.ipv4.bad_checksum',
    meaning: 'The IPv4 header checksum is wrong; the packet is used all the same.',
    next: OFFLOAD,
    zeek: 'bad_IP_checksum',
  },
  {
    name: 'decode.ipv6.truncated',
    meaning: 'The packet ends inside its IPv6 header or an extension header.',
    next: SNAPLEN,
    zeek: 'truncated_IPv6',
  },
  { name: 'decode.ipv6.bad_header', meaning: 'The version field of an IPv6 header is not 6.', next: HOSTILE },
  {
    name: 'decode.ipv6.cut',
    meaning: 'Fewer bytes were captured than the IPv6 payload length says: a hole of known size.',
    next: SNAPLEN,
    zeek: 'truncated_IPv6',
  },
  { name: 'decode.tcp.truncated', meaning: 'The packet ends inside its TCP header.', next: SNAPLEN, zeek: 'truncated_tcp_header' },
  {
    name: 'decode.tcp.bad_offset',
    meaning: 'The TCP data offset is shorter than the header or longer than the packet.',
    next: HOSTILE,
    zeek: 'bad_TCP_header_len',
  },
  {
    name: 'decode.tcp.bad_checksum',
    meaning: 'The TCP checksum is wrong; the segment is used all the same.',
    next: OFFLOAD,
    zeek: 'bad_TCP_checksum',
  },
  { name: 'decode.udp.truncated', meaning: 'The packet ends inside its UDP header.', next: SNAPLEN, zeek: 'truncated_udp_header' },
  { name: 'decode.udp.bad_length', meaning: 'The UDP length is shorter than its header.', next: HOSTILE },
  { name: 'decode.gre.truncated', meaning: 'The packet ends inside its GRE header.', next: SNAPLEN, zeek: 'truncated_GRE' },
  {
    name: 'decode.gre.unknown',
    meaning: 'GRE version, flags or protocol that Earshot does not look into.',
    next: NOTHING,
    zeek: 'unknown_gre_version',
  },
  { name: 'decode.erspan.truncated', meaning: 'The packet ends inside its ERSPAN header.', next: SNAPLEN },
  { name: 'decode.vxlan.truncated', meaning: 'The packet ends inside its VXLAN header.', next: SNAPLEN },
  { name: 'decode.geneve.truncated', meaning: 'The packet ends inside its GENEVE header or options.', next: SNAPLEN },
  { name: 'decode.teredo.malformed', meaning: 'A Teredo packet ends inside its headers.', next: NOTHING },
  { name: 'decode.gtp.truncated', meaning: 'The packet ends inside its GTP-U header or its extension headers.', next: SNAPLEN },
  { name: 'decode.l2tp.truncated', meaning: 'The packet ends inside its L2TP header.', next: SNAPLEN },
  { name: 'decode.nsh.truncated', meaning: 'The packet ends inside its network service header (NSH).', next: SNAPLEN },
  { name: 'decode.nsh.bad_length', meaning: 'A network service header (NSH) states a length shorter than itself.', next: HOSTILE },
  { name: 'decode.ayiya.truncated', meaning: 'The packet ends inside its AYIYA header.', next: SNAPLEN },
  {
    name: 'limit.decode.depth',
    meaning: 'More nested headers than decode.depthMax; the packet was left out. [drop]',
    next: RAISE,
    zeek: 'exceeded_tunnel_max_depth',
  },
  {
    name: 'limit.decode.paths',
    meaning: 'More distinct encapsulation paths than decode.pathsMax; later ones are reported as "other". [refuse-new]',
    next: RAISE,
  },
  // flow
  {
    name: 'flow.fragment.overlap',
    meaning: 'Two fragments of one IP packet overlap; the first copy of each byte wins.',
    next: HOSTILE,
    zeek: 'fragment_overlap',
  },
  {
    name: 'flow.fragment.inconsistent',
    meaning: 'Overlapping fragments carry different bytes, or state different ends.',
    next: HOSTILE,
    zeek: 'fragment_inconsistency',
  },
  {
    name: 'flow.fragment.too_large',
    meaning: 'Fragments add up to more than an IP packet can hold.',
    next: HOSTILE,
    zeek: 'excessively_large_fragment',
  },
  { name: 'flow.fragment.timeout', meaning: 'A fragmented packet was given up because parts of it never came.', next: LOSS },
  {
    name: 'limit.flow.fragments',
    meaning: 'More fragmented packets under way than flow.fragmentedPacketsMax, or more bytes in them than allowed. [drop-oldest]',
    next: RAISE,
  },
  {
    name: 'limit.flow.flows',
    meaning: 'More flows than flow.flowsMax; the longest idle of a sample made room. [drop-oldest]',
    next: RAISE,
  },
  {
    name: 'limit.flow.held_bytes',
    meaning: 'More bytes held behind a hole of one flow than flow.heldBytesMax; the hole was declared a gap. [declare-gap]',
    next: LOSS,
  },
  {
    name: 'limit.flow.held_bytes_total',
    meaning: 'More bytes held behind holes than flow.heldBytesTotalMax; the hole was declared a gap. [declare-gap]',
    next: LOSS,
  },
  { name: 'flow.tcp.midstream', meaning: 'A connection was already open when its first packet was seen.', next: NOTHING },
  { name: 'flow.tcp.out_of_order', meaning: 'A segment came before the one that it follows.', next: NOTHING },
  { name: 'flow.tcp.retransmission', meaning: 'A segment repeats bytes that were already seen.', next: NOTHING },
  {
    name: 'flow.tcp.overlap_differs',
    meaning: 'A repeated byte range carries other bytes than its first copy; the first copy wins.',
    next: HOSTILE,
    zeek: 'rexmit_inconsistency',
  },
  { name: 'flow.tcp.gap', meaning: 'Bytes of a stream were never captured.', next: LOSS, zeek: 'content_gap' },
  { name: 'flow.tcp.cut_segment', meaning: 'A segment was captured only in part: a hole of known size.', next: SNAPLEN },
  {
    name: 'flow.tcp.ack_before_data',
    meaning: 'Data was acknowledged before it was seen; its place was kept for a bounded time.',
    next: NOTHING,
  },
  { name: 'flow.tcp.ack_impossible', meaning: 'An acknowledgement lies absurdly far beyond the data; it was ignored.', next: HOSTILE },
  { name: 'flow.tcp.keep_alive', meaning: 'A keep-alive probe repeated the last byte of the stream.', next: NOTHING },
  { name: 'flow.tcp.urgent_byte', meaning: 'An out-of-band urgent byte was taken out of the stream.', next: HOSTILE },
  { name: 'flow.tcp.syn_data', meaning: 'A SYN carried data (TCP fast open).', next: NOTHING, zeek: 'SYN_with_data' },
  { name: 'flow.tcp.syn_data_refused', meaning: 'Data in a SYN was not acknowledged and therefore discarded.', next: NOTHING },
  { name: 'flow.tcp.syn_reused', meaning: 'A new SYN on a live connection: the old one ended unseen.', next: LOSS, zeek: 'SYN_seq_jump' },
  { name: 'flow.tcp.split_handshake', meaning: 'Both ends sent a SYN without ACK (simultaneous open or split handshake).', next: HOSTILE },
  { name: 'flow.tcp.bad_rst', meaning: 'A reset lies outside the window and was ignored.', next: HOSTILE },
  { name: 'flow.tcp.data_after_reset', meaning: 'Data came after a reset.', next: NOTHING, zeek: 'data_after_reset' },
  {
    name: 'flow.tcp.data_after_fin',
    meaning: 'Data lies beyond the end that a FIN set; it was ignored.',
    next: HOSTILE,
    zeek: 'data_after_fin',
  },
  { name: 'flow.tcp.outside_window', meaning: 'A segment lies absurdly far from the stream and was ignored.', next: HOSTILE },
  {
    name: 'flow.vlan.asymmetric',
    meaning: 'The two directions of a connection carry different VLAN tags, MPLS labels or tunnel ids; they were joined.',
    next: NOTHING,
  },
  // http
  { name: 'http.identify.unknown', meaning: 'The start of a stream is no protocol that Earshot knows.', next: NOTHING },
  { name: 'http.http1.resynchronised', meaning: 'After a hole or garbage the next message was found again.', next: LOSS },
  {
    name: 'http.http1.skipped_bytes',
    meaning: 'Bytes between two messages belong to neither.',
    next: HOSTILE,
    zeek: 'unexpected_server_HTTP_data',
  },
  { name: 'http.http1.lf_only', meaning: 'Lines of a head end with LF alone.', next: HOSTILE, zeek: 'line_terminated_with_single_LF' },
  {
    name: 'http.http1.folded_header',
    meaning: 'A header value goes on in the next line (obsolete folding); the line break became spaces.',
    next: NOTHING,
  },
  {
    name: 'http.http1.header_without_colon',
    meaning: 'A header line has no colon; it is reported as a name with an empty value.',
    next: HOSTILE,
  },
  { name: 'http.http1.space_before_colon', meaning: 'White space stands between a header name and its colon.', next: HOSTILE },
  { name: 'http.http1.bad_header_name', meaning: 'A header name holds bytes that are no token characters.', next: HOSTILE },
  { name: 'http.http1.nul_in_head', meaning: 'A head holds a NUL byte.', next: HOSTILE },
  { name: 'http.http1.non_ascii_head', meaning: 'A head holds bytes outside ASCII.', next: NOTHING },
  { name: 'http.http1.space_in_target', meaning: 'The request target holds white space.', next: HOSTILE },
  { name: 'http.http1.odd_request_line', meaning: 'The request line has extra white space, or none where it belongs.', next: HOSTILE },
  { name: 'http.http1.odd_status_line', meaning: 'The status line is not as RFC 9112 has it, but its meaning is clear.', next: HOSTILE },
  { name: 'http.http1.unknown_version', meaning: 'The HTTP version is not 0.9, 1.0 or 1.1.', next: HOSTILE, zeek: 'unknown_HTTP_version' },
  { name: 'http.http1.http09', meaning: 'A request without a version (HTTP/0.9).', next: NOTHING },
  { name: 'http.http1.absolute_form', meaning: 'The request target is a whole URI (a client of a proxy).', next: NOTHING },
  { name: 'http.http1.missing_host', meaning: 'An HTTP/1.1 request without a Host header.', next: HOSTILE, zeek: 'missing_HTTP_host' },
  { name: 'http.http1.several_hosts', meaning: 'A request with more than one Host header; the first counts.', next: HOSTILE },
  {
    name: 'http.http1.length_and_chunked',
    meaning: 'A message has both Content-Length and Transfer-Encoding: chunked; chunked counts (RFC 9112, 6.3).',
    next: SMUGGLING,
  },
  {
    name: 'http.head.conflicting_lengths',
    meaning: 'A message has several different Content-Length values; the first counts.',
    next: SMUGGLING,
  },
  { name: 'http.head.repeated_length', meaning: 'A message repeats the same Content-Length.', next: NOTHING },
  { name: 'http.head.bad_length', meaning: 'A Content-Length is not a number; it was ignored.', next: HOSTILE },
  {
    name: 'http.head.odd_transfer_coding',
    meaning: 'A Transfer-Encoding that is not just "chunked".',
    next: SMUGGLING,
  },
  { name: 'http.http1.chunked_in_http10', meaning: 'An HTTP/1.0 message with Transfer-Encoding.', next: SMUGGLING },
  {
    name: 'http.http1.bad_chunk_size',
    meaning: 'A chunk size is no hexadecimal number; the rest of the body could not be framed.',
    next: HOSTILE,
  },
  { name: 'http.http1.bad_chunk_end', meaning: 'A chunk does not end with a line break.', next: HOSTILE },
  { name: 'http.http1.chunk_extension', meaning: 'A chunk carries an extension; it was skipped.', next: NOTHING },
  { name: 'http.http1.trailers', meaning: 'A chunked body ends with trailer fields.', next: NOTHING },
  { name: 'http.http1.gap_in_head', meaning: 'A hole lies inside a head; what came before it is reported.', next: LOSS },
  { name: 'http.http1.gap_in_body', meaning: 'A hole lies inside a body.', next: LOSS },
  {
    name: 'http.pairing.response_without_request',
    meaning: 'A response whose request was not captured.',
    next: LOSS,
    zeek: 'unmatched_HTTP_reply',
  },
  { name: 'http.pairing.request_without_response', meaning: 'A request whose response was not captured.', next: LOSS },
  { name: 'http.http1.early_response', meaning: 'The response was complete before its request was.', next: NOTHING },
  { name: 'http.http1.pipelined', meaning: 'A request was sent before the response to the one before it.', next: NOTHING },
  { name: 'http.http1.reversed_direction', meaning: 'The side that accepted the connection sent the requests.', next: NOTHING },
  {
    name: 'limit.http.head_bytes',
    meaning: 'A head is longer than http.headBytesMax; its first part is reported. [cut-head]',
    next: RAISE,
  },
  {
    name: 'limit.http.headers',
    meaning: 'A head has more header fields than http.headersMax; the first ones are reported. [cut-head]',
    next: RAISE,
  },
  { name: 'limit.http.calls', meaning: 'More calls in flight than http.callsInFlightMax; the flow was given up. [stop-flow]', next: RAISE },
  {
    name: 'limit.http.pipeline',
    meaning:
      'More unanswered requests on one connection than http.pipelineMax; the oldest was reported without its response. [drop-oldest]',
    next: RAISE,
  },
  {
    name: 'http.http2.bad_frame',
    meaning:
      'A frame of HTTP/2 is longer than allowed or its parts do not fit into it; frames were searched anew, or its fields are missing.',
    next: HOSTILE,
  },
  { name: 'http.http2.resynchronised', meaning: 'Frames of HTTP/2 were found again behind a hole.', next: LOSS },
  {
    name: 'http.http2.headers_lost',
    meaning: 'A header block of HTTP/2 was not captured whole; its call is reported with what is known, the header table was forgotten.',
    next: LOSS,
  },
  {
    name: 'http.http2.bad_stream',
    meaning: 'A request of HTTP/2 on a stream whose number its sender may not use; it was passed over.',
    next: HOSTILE,
  },
  {
    name: 'http.http2.stray_continuation',
    meaning: 'A header block of HTTP/2 was not continued, or a continuation belongs to none; the header table was forgotten.',
    next: HOSTILE,
  },
  {
    name: 'http.http2.rapid_reset',
    meaning: 'A client reset 100 requests of a connection before they were answered (CVE-2023-44487); all of them are reported.',
    next: HOSTILE,
  },
  {
    name: 'http.http2.settings_flood',
    meaning: 'A side of a connection sent more than 100 SETTINGS frames within a second (CVE-2019-9515); counted once a direction.',
    next: HOSTILE,
  },
  {
    name: 'http.http2.ping_flood',
    meaning: 'A side of a connection sent more than 1,000 PING frames within a second (CVE-2019-9512); counted once a direction.',
    next: HOSTILE,
  },
  {
    name: 'http.http2.empty_frames_flood',
    meaning:
      'A side of a connection sent more than 100 DATA, HEADERS or CONTINUATION frames that are empty, but for padding, and end nothing within a second (CVE-2019-9518); counted once a direction.',
    next: HOSTILE,
  },
  {
    name: 'http.http2.priority_flood',
    meaning: 'A side of a connection sent more than 1,000 PRIORITY frames within a second (CVE-2019-9513); counted once a direction.',
    next: HOSTILE,
  },
  {
    name: 'http.http2.window_update_flood',
    meaning:
      'A side of a connection sent 1,000 WINDOW_UPDATE frames within a second beyond two for each DATA frame of the other side; counted once a direction.',
    next: HOSTILE,
  },
  {
    name: 'http.http2.reset_flood',
    meaning:
      'A server reset more than 100 streams of a connection within a second for an error. Clients can provoke it (CVE-2025-8671, MadeYouReset): the work goes on behind the reset. Counted once a connection.',
    next: 'Look at the client, and bring the server up to date.',
  },
  {
    name: 'http.http2.bad_field_name',
    meaning:
      'A field name of HTTP/2 is empty or holds a capital letter, a blank, a colon or another byte that is none of a name (RFC 9113, 8.2.1); it is reported as it is.',
    next: SMUGGLING,
  },
  {
    name: 'http.http2.bad_field_value',
    meaning:
      'A field value of HTTP/2 holds CR, LF or NUL (RFC 9113, 8.2.1); it is reported as it is. In HTTP/1 it would be several fields, or a request of its own.',
    next: SMUGGLING,
  },
  {
    name: 'http.http2.connection_field',
    meaning:
      'A message of HTTP/2 has a field that is about one connection of HTTP/1: Connection, Keep-Alive, Proxy-Connection, Transfer-Encoding, Upgrade, or TE other than "trailers" (RFC 9113, 8.2.2); it was not acted upon.',
    next: SMUGGLING,
  },
  {
    name: 'http.http2.conflicting_host',
    meaning:
      'A request of HTTP/2 has a Host field that differs from :authority or from another one (RFC 9113, 8.3.1); the first Host field counts.',
    next: SMUGGLING,
  },
  {
    name: 'http.http2.length_mismatch',
    meaning: 'Content-Length of a message of HTTP/2 differs from the bytes of its DATA frames (RFC 9113, 8.1.1); the frames count.',
    next: SMUGGLING,
  },
  {
    name: 'http.http2.bad_pseudo',
    meaning:
      'The value of a pseudo-header field of HTTP/2 is none that it can have: a method that is no token, a path that does not begin with a slash or holds a blank, a scheme or an authority with other bytes than such have, a status that is not three digits (RFC 9113, 8.3).',
    next: SMUGGLING,
  },
  {
    name: 'http.http2.missing_pseudo',
    meaning:
      'A request of HTTP/2 without :method, :scheme or :path (CONNECT: :authority), or a response without :status, although its header block was read whole (RFC 9113, 8.3).',
    next: HOSTILE,
  },
  {
    name: 'http.http2.misplaced_pseudo',
    meaning:
      'A pseudo-header field of HTTP/2 stands behind another field, in trailers, on the wrong side, or with a method that has none such: :protocol without CONNECT, :path or :scheme with it (RFC 9113, 8.3; RFC 8441, 4).',
    next: SMUGGLING,
  },
  {
    name: 'http.http2.repeated_pseudo',
    meaning: 'A pseudo-header field of HTTP/2 is there twice (RFC 9113, 8.3); the first counts.',
    next: SMUGGLING,
  },
  {
    name: 'http.http2.unknown_pseudo',
    meaning: 'A pseudo-header field of HTTP/2 that is not defined; it was left out (RFC 9113, 8.3).',
    next: HOSTILE,
  },
  {
    name: 'limit.http.streams',
    meaning: 'More open streams on one connection of HTTP/2 than http.streamsMax; the oldest was reported as it stood. [drop-oldest]',
    next: HOSTILE,
  },
  {
    name: 'limit.http.header_block',
    meaning:
      'A header block of HTTP/2 longer than http.headerBlockBytesMax, or in more than 64 CONTINUATION frames; its first fields are reported, the header table was forgotten. [cut-head]',
    next: HOSTILE,
  },
  {
    name: 'http.http2.hpack_index',
    meaning: 'A header block refers to an entry that does not exist; its fields up to there are reported, the header table was forgotten.',
    next: HOSTILE,
  },
  {
    name: 'http.http2.hpack_integer',
    meaning: 'A number in a header block does not fit into 32 bits; its fields up to there are reported, the header table was forgotten.',
    next: HOSTILE,
  },
  {
    name: 'http.http2.hpack_truncated',
    meaning: 'A header block ends inside a field; its fields up to there are reported, the header table was forgotten.',
    next: HOSTILE,
  },
  {
    name: 'http.http2.hpack_huffman',
    meaning:
      'A Huffman-coded string holds the end-of-string symbol or ends in wrong padding; the fields before it are reported, the header table was forgotten.',
    next: HOSTILE,
  },
  {
    name: 'http.http2.hpack_table_size',
    meaning:
      'A header block sets the size of its table beyond what was allowed, or after its first field; the header table was forgotten. A missed SETTINGS frame looks the same.',
    next: HOSTILE,
  },
  {
    name: 'limit.http.header_list_bytes',
    meaning: 'A header block stands for more than 256 KiB; its first fields are reported, the header table was forgotten. [cut-head]',
    next: HOSTILE,
  },
  {
    name: 'limit.http.header_list_fields',
    meaning: 'A header block stands for more than 4,096 fields; the first ones are reported, the header table was forgotten. [cut-head]',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.reserved_bits',
    meaning: 'A WebSocket frame has a reserved bit that no agreed extension uses; its direction is only counted from there on.',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.reserved_opcode',
    meaning: 'A WebSocket frame has an opcode that means nothing; its direction is only counted from there on.',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.control_too_long',
    meaning: 'A WebSocket control frame claims more than 125 bytes; its direction is only counted from there on.',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.control_fragmented',
    meaning: 'A WebSocket control frame is not the last of its message; its direction is only counted from there on.',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.unmasked_client',
    meaning: 'A WebSocket frame of a client is not masked; its direction is only counted from there on.',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.masked_server',
    meaning: 'A WebSocket frame of a server is masked; its direction is only counted from there on.',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.stray_continuation',
    meaning: 'A WebSocket message goes on that has not begun; its direction is only counted from there on.',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.message_inside_message',
    meaning: 'A WebSocket message begins before the last one has ended; its direction is only counted from there on.',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.length_not_minimal',
    meaning: 'The length of a WebSocket frame is written in more bytes than it needs; the frame was read.',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.length_too_large',
    meaning: 'A WebSocket frame claims 2^53 bytes or more; its direction is only counted from there on.',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.bad_close',
    meaning: 'A WebSocket Close frame has half a code, or one that must not be sent.',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.after_close',
    meaning: 'Bytes follow the WebSocket Close frame of their sender; they are only counted.',
    next: HOSTILE,
  },
  {
    name: 'http.websocket.lost_place',
    meaning:
      'Where the next WebSocket frame begins is not known, after a hole or a handshake that was not seen whole; the direction is only counted from there on.',
    next: LOSS,
  },
  {
    name: 'limit.http.http2_connections',
    meaning: 'More connections of HTTP/2 at a time than are followed (65,536); the others were given up. [refuse-new]',
    next: 'Look at who opens so many; spread the load over more workers.',
  },
  {
    name: 'limit.http.websockets',
    meaning: 'More WebSocket connections at a time than are followed (65,536); the messages of the others are not counted. [refuse-new]',
    next: NOTHING,
  },
  {
    name: 'http.websocket.inflate_corrupt',
    meaning:
      'A compressed WebSocket message could not be inflated; what came before the fault is kept, and later messages of that side have no content, unless each is compressed by itself.',
    next: NOTHING,
  },
  {
    name: 'limit.http.websocket_inflated',
    meaning:
      'A WebSocket message inflates to more than 1 MiB, or all of its side together to far more than was sent; its first bytes are kept, and later ones as after a fault. [cut-body]',
    next: HOSTILE,
  },
  {
    name: 'limit.http.websocket_compressed',
    meaning: 'A compressed WebSocket message is longer than 512 KiB; its first part is kept, and later ones as after a fault. [cut-body]',
    next: NOTHING,
  },
  {
    name: 'limit.http.websocket_windows',
    meaning:
      'More directions of WebSocket connections are compressed than websocket.windowsMax; later messages of the others have no content. [cut-body]',
    next: RAISE,
  },
  {
    name: 'limit.http.websocket_queue',
    meaning: 'More than 16,384 WebSocket messages came in one burst; those beyond it make no records. [drop]',
    next: HOSTILE,
  },
  {
    name: 'limit.http.websocket_rate',
    meaning: 'Seconds in which more WebSocket messages came than websocket.messagesPerSecondMax; those beyond it make no records. [drop]',
    next: RAISE,
  },
  {
    name: 'http.coding.corrupt',
    meaning: 'A compressed body could not be decoded; what was decoded before the fault is kept.',
    next: NOTHING,
  },
  {
    name: 'http.coding.unknown',
    meaning: 'A Content-Encoding that Earshot does not decode; the bytes are kept as they are.',
    next: NOTHING,
  },
  {
    name: 'http.coding.too_deep',
    meaning: 'More Content-Encodings over each other than are decoded; the bytes are kept as they are.',
    next: HOSTILE,
  },
  {
    name: 'http.coding.mislabelled',
    meaning: 'A body is not in the Content-Encoding that its header names; the bytes are kept as they are.',
    next: NOTHING,
  },
  {
    name: 'http.coding.bomb',
    meaning: 'A few bytes of a compressed body stand for megabytes; what came before them is kept.',
    next: HOSTILE,
  },
  { name: 'http.proxy.malformed', meaning: 'A PROXY protocol header could not be read.', next: 'Check the load balancer that writes it.' },
  { name: 'http.tls.malformed', meaning: 'A TLS ClientHello could not be read; what stands before the fault is told.', next: NOTHING },
  { name: 'http.tls.hello_cut', meaning: 'A TLS ClientHello of which the end is missing; what was there is told.', next: LOSS },
  {
    name: 'limit.http.client_hello',
    meaning: 'A TLS hello longer than 64 KiB, or in more than 64 records; of what it says the first record was read. [cut-head]',
    next: HOSTILE,
  },
  {
    name: 'limit.http.quic_reads',
    meaning: 'More first packets of QUIC clients in a second than are decrypted (200); the others are counted only. [refuse-new]',
    next: NOTHING,
  },
  {
    name: 'limit.http.tls_servers',
    meaning:
      'More servers, addresses, fingerprints or protocols of TLS and QUIC than are told apart (4096 of each); the others are counted together. [refuse-new]',
    next: NOTHING,
  },
  // normalise
  {
    name: 'limit.normalise.parked_bytes',
    meaning:
      'Records that wait for a better copy of their call take more than normalise.parkedBytesMax; a call that is not whole was handed on at once. [refuse-new]',
    next: LOSS,
  },
  {
    name: 'limit.normalise.duplicates',
    meaning:
      'More calls within the window than normalise.duplicatesMax remembers; copies of the oldest would no longer be recognised. [drop-oldest]',
    next: RAISE,
  },
  // operation
  {
    name: 'limit.operation.name_bytes',
    meaning: 'The name of an operation has more than 512 bytes; it was left out. [refuse-new]',
    next: HOSTILE,
  },
  {
    name: 'limit.operation.document_bytes',
    meaning: 'A GraphQL document with escapes is longer than 128 KiB; operations behind that are not known. [cut-body]',
    next: NOTHING,
  },
  // grpc
  {
    name: 'grpc.messages.bad_flags',
    meaning: 'The prefix of a gRPC message has flags that gRPC does not know; messages behind it are not counted.',
    next: 'Look at the sender: its content type may be wrong.',
  },
  {
    name: 'grpc.messages.not_opened',
    meaning: 'A compressed gRPC message was not opened: its grpc-encoding is not known or not said, or its bytes are damaged.',
    next: NOTHING,
  },
  {
    name: 'limit.grpc.trailer_bytes',
    meaning: 'The trailers of a gRPC-Web body have more than 8 KiB; the status is looked for in the first ones. [cut-body]',
    next: HOSTILE,
  },
  {
    name: 'limit.grpc.protobuf_depth',
    meaning: 'Messages of Protocol Buffers are nested more than 100 deep; deeper ones are shown as bytes. [cut-body]',
    next: HOSTILE,
  },
  {
    name: 'limit.grpc.protobuf_work',
    meaning:
      'Bytes without a type would have to be looked at again and again to find messages in them; they are shown as bytes. [cut-body]',
    next: HOSTILE,
  },
  {
    name: 'limit.grpc.rendering_bytes',
    meaning:
      'The messages of a body are longer as text than there is room for, or have more than 4,096 values that are masked whole; the rest was left out. [cut-body]',
    next: NOTHING,
  },
  // memory
  {
    name: 'limit.policy.edits',
    meaning: 'More sensitive values in one part of a call than can be noted; the rest of that part was masked as a whole. [cut-body]',
    next: 'Nothing, unless it happens often; then look at what the masking rules find.',
  },
  {
    name: 'limit.policy.pattern_work',
    meaning: 'A pattern of the masking rules matched so often, or so slowly, that the rest of the value was masked as a whole. [cut-body]',
    next: 'Make the pattern more exact: it should begin with what is typical, and have no .* inside.',
  },
  {
    name: 'limit.policy.head_bytes',
    meaning: 'A head became longer than 65,000 bytes by masking; the fields beyond were left out of the record. [cut-body]',
    next: 'Nothing, unless it happens often; then let the masking rules remove values instead of replacing them.',
  },
  {
    name: 'limit.memory.block_bytes',
    meaning: 'memory.blockBytesMax is spent: a body was cut, a hole declared a gap, or a call refused. [cut-body]',
    next: 'Give the sensor more memory or keep less of each body.',
  },
  // the sensor itself
  {
    name: 'sensor.bug',
    meaning: 'A fault of Earshot itself; the packet or the call was left out and the sensor went on.',
    next: 'Please report it with the log line.',
  },
] as const satisfies readonly Weird[];

export type WeirdName = (typeof table)[number]['name'];

/** Every weird, in the order of the path. */
export const weirds: readonly Weird[] = table;
/** How often each was raised, by index. */
export const weirdCounts: Float64Array = new Float64Array(table.length);
const counts = weirdCounts;

/** The index of a weird; ask once, at load. */
export function weird(name: WeirdName): number {
  return table.findIndex((w) => w.name === name);
}

/** Counts one. */
export function raise(index: number): void {
  counts[index]++;
}

/** How often the weird of that name was raised. */
export function weirdCount(name: WeirdName): number {
  return counts[weird(name)];
}

export function resetWeirds(): void {
  counts.fill(0);
}
