// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import ResourceAPI

@testable import Operator

/// A control plane in memory, of as much as commands ask for: discovery, objects with versions, tables, watches of prepared lines. It notes what was
/// asked, and may be told to answer otherwise.
final class FakePlane: ControlClient {
    private(set) var requests: [ControlRequest] = []
    /// Objects by path.
    var objects: [String: Value] = [:]
    /// Answers in place of its own, by method and path without the query.
    var answers: [String: ControlAnswer] = [:]
    var failure: ControlFailure?
    /// What is answered to a method and path, in place of its own.
    var handlers: [String: (Value) -> ControlAnswer] = [:]
    /// The events of each watch, one after the other; without any left a watch can't be had.
    var watches: [[String]] = []
    private var version: Int64 = 100
    private let now = "2027-01-15T07:00:00Z"

    static let kinds: [(root: String, plural: String, kind: String, short: [String], isNamespaced: Bool)] = [
        ("/api/v1", "namespaces", "Namespace", ["ns"], false), ("/api/v1", "services", "Service", ["svc"], true),
        ("/apis/networking.istio.io/v1", "workloadentries", "WorkloadEntry", ["we"], true),
        ("/apis/security.istio.io/v1", "authorizationpolicies", "AuthorizationPolicy", ["ap"], true),
        ("/apis/warren.dev/v1", "nodes", "Node", [], false),
    ]

    func send(_ request: ControlRequest) throws(ControlFailure) -> ControlAnswer {
        requests.append(request)
        if let failure { throw failure }
        let path = String(request.target.prefix { $0 != "?" })
        if let answer = answers["\(request.method.rawValue) \(path)"] { return answer }
        if let handler = handlers["\(request.method.rawValue) \(path)"] {
            return handler((try? JSON.read(request.body)) ?? .null)
        }
        return answer(request, path)
    }

    func follow(_ request: ControlRequest, _ take: ([UInt8]) -> Bool) throws(ControlFailure) -> ControlAnswer? {
        requests.append(request)
        guard !watches.isEmpty else { throw ControlFailure("the control plane is away", isUnreachable: true) }
        for line in watches.removeFirst() where !take(Array(line.utf8)) { break }
        return nil
    }

    // MARK: - What it holds

    func store(_ path: String, _ object: Value) {
        version += 1
        let metadata = MergePatch.apply(
            ["resourceVersion": .string("\(version)"), "uid": .string("u-\(path)"), "creationTimestamp": .string(now)],
            to: object["metadata"] ?? [:])
        objects[path] = MergePatch.apply(["metadata": metadata], to: object)
    }

    private func answer(_ request: ControlRequest, _ path: String) -> ControlAnswer {
        if request.method == .get, let document = discovery(path) { return Self.ok(document) }
        let isDry = request.target.contains("dryRun=All")
        let body = (try? YAML.read(request.body).first) ?? .null
        switch request.method {
        case .get: return get(path, request)
        case .post:
            let name = body["metadata"]?["name"]?.stringValue ?? ""
            guard objects["\(path)/\(name)"] == nil else {
                return Self.status(409, "AlreadyExists", "\"\(name)\" already exists")
            }
            return put("\(path)/\(name)", body, isDry: isDry, status: 201)
        case .put:
            guard let before = objects[path] else { return missing(path) }
            guard body["metadata"]?["resourceVersion"] == before["metadata"]?["resourceVersion"] else {
                return Self.status(
                    409, "Conflict", "the object has been modified; please apply your changes to the latest version")
            }
            return put(path, body, isDry: isDry, status: 200)
        case .patch:
            let isApply = request.contentType == "application/apply-patch+yaml"
            guard let before = objects[path] else { return isApply ? put(path, body, isDry: isDry, status: 201) : missing(path) }
            let after = MergePatch.apply(body, to: before)
            return after == before ? Self.ok(before) : put(path, after, isDry: isDry, status: 200)
        case .delete:
            guard objects[path] != nil else { return missing(path) }
            if !isDry { objects[path] = nil }
            return Self.ok(["kind": "Status", "status": "Success"])
        }
    }

    private func put(_ path: String, _ object: Value, isDry: Bool, status: Int) -> ControlAnswer {
        guard !isDry else { return ControlAnswer(status: status, body: object.jsonBytes) }
        store(path, object)
        return ControlAnswer(status: status, body: (objects[path] ?? .null).jsonBytes)
    }

    private func get(_ path: String, _ request: ControlRequest) -> ControlAnswer {
        let isTable = request.accept.contains("as=Table")
        if let object = objects[path] { return Self.ok(isTable ? Self.table([object]) : object) }
        let last = path.split(separator: "/").last.map(String.init) ?? ""
        guard Self.kinds.contains(where: { $0.plural == last }) else { return missing(path) }
        let isEverywhere = !path.contains("/namespaces/")
        let found = objects.sorted { $0.key < $1.key }.filter { key, _ in
            let parts = key.split(separator: "/").dropLast()
            return parts.last.map(String.init) == last && (isEverywhere || key.hasPrefix(path + "/"))
        }.map(\.value)
        if isTable { return Self.ok(Self.table(found)) }
        let items = found.map { $0.without(["apiVersion", "kind"]) }
        return Self.ok(["kind": "List", "metadata": ["resourceVersion": .string("\(version)")], "items": .array(items)])
    }

    static func table(_ objects: [Value], version: String = "101") -> Value {
        let rows = objects.map { object -> Value in
            let metadata = object["metadata"] ?? .null
            return [
                "cells": [.string(metadata["name"]?.stringValue ?? ""), .string(object["spec"]?.json ?? ""), 7],
                "object": ["metadata": metadata],
            ]
        }
        return [
            "kind": "Table", "metadata": ["resourceVersion": .string(version)],
            "columnDefinitions": [
                ["name": "Name", "type": "string", "priority": 0], ["name": "Spec", "type": "string", "priority": 1],
                ["name": "Count", "type": "integer", "priority": 0],
            ],
            "rows": .array(rows),
        ]
    }

    private func missing(_ path: String) -> ControlAnswer { Self.status(404, "NotFound", "\(path) not found") }

    static func ok(_ document: Value) -> ControlAnswer { ControlAnswer(status: 200, body: document.jsonBytes) }

    static func status(_ code: Int, _ reason: String, _ message: String, causes: [Value] = []) -> ControlAnswer {
        let document: Value = [
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": .string(message), "reason": .string(reason),
            "details": ["causes": .array(causes)], "code": .integer(code),
        ]
        return ControlAnswer(status: code, body: document.jsonBytes)
    }

    private func discovery(_ path: String) -> Value? {
        if path == "/api" { return ["kind": "APIVersions", "versions": ["v1"]] }
        if path == "/apis" {
            let groups = Self.kinds.map(\.root).filter { $0.hasPrefix("/apis/") }.map { root -> Value in
                let version = String(root.dropFirst("/apis/".count))
                return [
                    "name": .string(String(version.dropLast("/v1".count))),
                    "preferredVersion": ["groupVersion": .string(version), "version": "v1"],
                ]
            }
            return ["kind": "APIGroupList", "groups": .array(groups)]
        }
        let here = Self.kinds.filter { $0.root == path }
        guard !here.isEmpty else { return nil }
        let resources = here.map { kind -> Value in
            [
                "name": .string(kind.plural), "singularName": .string(kind.kind.lowercased()), "kind": .string(kind.kind),
                "namespaced": .bool(kind.isNamespaced), "shortNames": .array(kind.short.map { .string($0) }),
                "verbs": ["get", "list"],
            ]
        }
        return ["kind": "APIResourceList", "resources": .array(resources + [["name": "services/status", "kind": "Service"]])]
    }
}
