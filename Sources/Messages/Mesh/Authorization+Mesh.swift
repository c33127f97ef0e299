// SPDX-License-Identifier: Apache-2.0

import Bytes
package import Mesh

extension SecurityAPI.Authorization {
    package init(_ authorization: Authorization) {
        self.init()
        name = authorization.name
        namespace = authorization.namespace
        scope = authorization.scope.rawValue
        action = authorization.action.rawValue
        dryRun = authorization.dryRun
        groups = authorization.groups.map { group in
            var message = SecurityAPI.Group()
            message.rules = group.rules.map { rules in
                var message = SecurityAPI.Rules()
                message.matches = rules.matches.map(SecurityAPI.Match.init)
                return message
            }
            return message
        }
    }

    /// The policy as the mesh model has it. What isn't understood makes a rule deny more or allow less; where even that can't be said the
    /// policy is refused, so that its predecessor stays (I16).
    package func model() throws(ConversionFailure) -> Authorization {
        guard !name.isEmpty else { throw ConversionFailure("name", "a policy without a name") }
        guard unknownFields.isEmpty, extensions.isEmpty else {
            throw ConversionFailure("", "the policy has fields that are not understood here")
        }
        var authorization = Authorization()
        authorization.name = name
        authorization.namespace = namespace
        authorization.scope = try Convert.choice(scope, "scope")
        authorization.action = try Convert.choice(action, "action")
        authorization.dryRun = dryRun
        authorization.groups = try Convert.map(groups) { (group) throws(ConversionFailure) in
            var rules = try Convert.map(group.rules) { (rules) throws(ConversionFailure) in try rules.model() }
            if !group.unknownFields.isEmpty { rules.append(.unknown) }
            return Authorization.Group(rules: rules)
        }
        return authorization
    }
}

extension Authorization.Rules {
    /// A condition that nobody here can judge.
    fileprivate static var unknown: Self {
        var match = Authorization.Match()
        match.isPartlyUnknown = true
        return Self(matches: [match])
    }
}

extension SecurityAPI.Rules {
    fileprivate func model() throws(ConversionFailure) -> Authorization.Rules {
        guard unknownFields.isEmpty else { return .unknown }
        return Authorization.Rules(
            matches: try Convert.map(matches) { (match) throws(ConversionFailure) in try match.model() })
    }
}

extension SecurityAPI.Match {
    init(_ match: Authorization.Match) {
        self.init()
        namespaces = match.namespaces.map(SecurityAPI.StringMatch.init)
        notNamespaces = match.notNamespaces.map(SecurityAPI.StringMatch.init)
        principals = match.principals.map(SecurityAPI.StringMatch.init)
        notPrincipals = match.notPrincipals.map(SecurityAPI.StringMatch.init)
        sourceIPs = match.sourceIPs.map(SecurityAPI.Block.init)
        notSourceIPs = match.notSourceIPs.map(SecurityAPI.Block.init)
        destinationIPs = match.destinationIPs.map(SecurityAPI.Block.init)
        notDestinationIPs = match.notDestinationIPs.map(SecurityAPI.Block.init)
        destinationPorts = match.destinationPorts.map(UInt32.init)
        notDestinationPorts = match.notDestinationPorts.map(UInt32.init)
        serviceAccounts = match.serviceAccounts.map(SecurityAPI.ServiceAccountMatch.init)
        notServiceAccounts = match.notServiceAccounts.map(SecurityAPI.ServiceAccountMatch.init)
    }

    fileprivate func model() throws(ConversionFailure) -> Authorization.Match {
        var match = Authorization.Match()
        match.isPartlyUnknown = !unknownFields.isEmpty || !extensions.isEmpty
        match.namespaces = Self.texts(namespaces, &match)
        match.notNamespaces = Self.texts(notNamespaces, &match)
        match.principals = Self.texts(principals, &match)
        match.notPrincipals = Self.texts(notPrincipals, &match)
        match.sourceIPs = try Self.blocks(sourceIPs)
        match.notSourceIPs = try Self.blocks(notSourceIPs)
        match.destinationIPs = try Self.blocks(destinationIPs)
        match.notDestinationIPs = try Self.blocks(notDestinationIPs)
        match.destinationPorts = try Self.ports(destinationPorts)
        match.notDestinationPorts = try Self.ports(notDestinationPorts)
        match.serviceAccounts = serviceAccounts.map { .init(namespace: $0.namespace, serviceAccount: $0.serviceAccount) }
        match.notServiceAccounts = notServiceAccounts.map { .init(namespace: $0.namespace, serviceAccount: $0.serviceAccount) }
        return match
    }

    /// A value of a kind that isn't known is left out, and the match says so: a DENY then asks less, an ALLOW never holds.
    private static func texts(_ matches: [SecurityAPI.StringMatch], _ match: inout Authorization.Match) -> [Authorization
        .StringMatch]
    {
        let known = matches.compactMap(\.model)
        guard known.count < matches.count else { return known }
        match.isPartlyUnknown = true
        return []
    }

    private static func blocks(_ messages: [SecurityAPI.Block]) throws(ConversionFailure) -> [IPPrefix] {
        try Convert.map(messages) { (block) throws(ConversionFailure) in
            let address = try Convert.address(block.address, "address")
            guard let length = Int(exactly: block.length), let prefix = IPPrefix(address, length: length) else {
                throw ConversionFailure("length", "\(block.length) bits are more than the address has")
            }
            return prefix
        }
    }

    private static func ports(_ numbers: [UInt32]) throws(ConversionFailure) -> [UInt16] {
        try Convert.map(numbers) { (number) throws(ConversionFailure) in try Convert.port(number, "destination_ports") }
    }
}

extension SecurityAPI.StringMatch {
    fileprivate init(_ match: Authorization.StringMatch) {
        self.init()
        switch match {
        case .exact(let text): exact = text
        case .prefix(let text): prefix = text
        case .suffix(let text): suffix = text
        case .presence: presence = SecurityAPI.Empty()
        }
    }

    fileprivate var model: Authorization.StringMatch? {
        guard unknownFields.isEmpty else { return nil }
        if let exact { return .exact(exact) }
        if let prefix { return .prefix(prefix) }
        if let suffix { return .suffix(suffix) }
        return presence == nil ? nil : .presence
    }
}

extension SecurityAPI.Block {
    fileprivate init(_ prefix: IPPrefix) {
        self.init()
        address = prefix.address.bytes
        length = UInt32(clamping: prefix.length)
    }
}

extension SecurityAPI.ServiceAccountMatch {
    fileprivate init(_ account: Authorization.ServiceAccountMatch) {
        self.init()
        namespace = account.namespace
        serviceAccount = account.serviceAccount
    }
}
