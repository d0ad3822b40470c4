/**
 * Link types (LINKTYPE_ values of the pcap registry): which ones decode/ reads, and what the others are called,
 * so that an error can name what it met.
 */

/** The link types that decode/ reads. */
export const NULL = 0;
export const ETHERNET = 1;
export const PPP = 9;
/** Raw IP as some BSDs number it. */
export const RAW_BSD = 12;
/** Raw IP as OpenBSD numbers it. */
export const RAW_OPENBSD = 14;
export const PPP_HDLC = 50;
export const PPP_ETHER = 51;
export const RAW = 101;
export const LOOP = 108;
export const LINUX_SLL = 113;
export const IPV4 = 228;
export const IPV6 = 229;
export const LINUX_SLL2 = 276;

const supported: ReadonlySet<number> = new Set([
  NULL,
  ETHERNET,
  PPP,
  RAW_BSD,
  RAW_OPENBSD,
  PPP_HDLC,
  PPP_ETHER,
  RAW,
  LOOP,
  LINUX_SLL,
  IPV4,
  IPV6,
  LINUX_SLL2,
]);

const names: Readonly<Record<number, string>> = {
  0: 'BSD null/loopback',
  1: 'Ethernet',
  3: 'AX.25',
  6: 'IEEE 802.5 token ring',
  7: 'ARCnet (BSD)',
  8: 'SLIP',
  9: 'PPP',
  10: 'FDDI',
  12: 'raw IP',
  14: 'raw IP',
  50: 'PPP in HDLC-like framing',
  51: 'PPPoE session',
  100: 'LLC/SNAP-encapsulated ATM',
  101: 'raw IP',
  104: 'Cisco HDLC',
  105: 'IEEE 802.11',
  107: 'frame relay',
  108: 'OpenBSD loopback',
  109: 'OpenBSD IPsec encapsulation',
  113: 'Linux cooked (SLL)',
  114: 'LocalTalk',
  117: 'OpenBSD pflog',
  119: 'IEEE 802.11 with Prism header',
  122: 'IP over Fibre Channel',
  127: 'IEEE 802.11 with radiotap header',
  129: 'ARCnet (Linux)',
  138: 'IP over IEEE 1394',
  143: 'DOCSIS',
  147: 'private use',
  163: 'IEEE 802.11 with AVS header',
  187: 'Bluetooth HCI H4',
  189: 'USB (Linux)',
  192: 'per-packet information',
  195: 'IEEE 802.15.4',
  201: 'Bluetooth HCI H4 with direction',
  220: 'USB (Linux, memory-mapped)',
  224: 'Fibre Channel FC-2',
  227: 'SocketCAN',
  228: 'raw IPv4',
  229: 'raw IPv6',
  239: 'Linux netlink log (nflog)',
  240: 'NetAnalyzer Ethernet',
  242: 'IP over InfiniBand',
  247: 'InfiniBand',
  248: 'SCTP without lower layers',
  249: 'USBPcap',
  252: 'Wireshark upper PDU',
  253: 'Linux netlink',
  256: 'Bluetooth monitor',
  258: 'Apple pktap',
  272: 'systemd journal',
  274: 'Ethernet mPacket',
  276: 'Linux cooked, second version (SLL2)',
};

/** Whether decode/ reads packets of that link type. */
export function isSupported(linkType: number): boolean {
  return supported.has(linkType);
}

/** Number and name, for messages: "105 (IEEE 802.11)". */
export function describeLinkType(linkType: number): string {
  return `${linkType} (${names[linkType] ?? 'a type without a name here'})`;
}
