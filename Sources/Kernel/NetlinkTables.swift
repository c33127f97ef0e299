// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

extension Netlink {
    /// How often the namespace's nftables rules were changed, by whomever: while it stays the same, the rules are the same. For a socket of the
    /// family `filter`.
    package mutating func rulesGeneration() throws(Errno) -> UInt32 {
        // nfgenmsg: family, version, resource; the answer's attribute is in network order.
        let type = Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(NFT_MSG_GETGEN.rawValue)
        let answer = try one(NetlinkRequest(type: type, flags: 0, body: [0, 0, 0, 0]))
        guard let number = answer.attributes(after: 4)[Int(NFTA_GEN_ID.rawValue)]?.number(as: UInt32.self) else {
            throw Errno(EBADMSG)
        }
        return UInt32(bigEndian: number)
    }
}
