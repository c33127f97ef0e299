// SPDX-License-Identifier: Apache-2.0

/// The numbers of Kubernetes' messages, as far as the kinds here have them (k8s.io/api core/v1 and apimachinery meta/v1, generated.proto).
extension ProtobufMessage {
    static let kinds: [String: ProtobufMessage] = [
        "Namespace": namespace, "Service": service, "ServiceAccount": serviceAccount, "DeleteOptions": deleteOptions,
    ]

    static let unknown = ProtobufMessage([
        1: Field("typeMeta", .message(ProtobufMessage([1: Field("apiVersion"), 2: Field("kind")]))), 3: Field("contentEncoding"),
        4: Field("contentType"),
    ])

    static let time = ProtobufMessage([1: Field("seconds", .integer)])
    static let intOrString = ProtobufMessage([1: Field("type", .integer), 2: Field("intVal", .integer), 3: Field("strVal")])
    static let json = ProtobufMessage([1: Field("raw")])

    private static let deleteOptions = ProtobufMessage([
        1: Field("gracePeriodSeconds", .integer),
        2: Field("preconditions", .message(ProtobufMessage([1: Field("uid"), 2: Field("resourceVersion")]))),
        3: Field("orphanDependents", .boolean), 4: Field("propagationPolicy"), 5: Field("dryRun", repeated: true),
    ])

    private static let ownerReference = ProtobufMessage([
        1: Field("kind"), 3: Field("name"), 4: Field("uid"), 5: Field("apiVersion"), 6: Field("controller", .boolean),
        7: Field("blockOwnerDeletion", .boolean),
    ])

    private static let managedFields = ProtobufMessage([
        1: Field("manager"), 2: Field("operation"), 3: Field("apiVersion"), 4: Field("time", .time), 6: Field("fieldsType"),
        7: Field("fieldsV1", .json), 8: Field("subresource"),
    ])

    private static let metadata = ProtobufMessage([
        1: Field("name"), 2: Field("generateName"), 3: Field("namespace"), 4: Field("selfLink"), 5: Field("uid"),
        6: Field("resourceVersion"),
        7: Field("generation", .integer), 8: Field("creationTimestamp", .time), 9: Field("deletionTimestamp", .time),
        10: Field("deletionGracePeriodSeconds", .integer), 11: Field("labels", .stringMap), 12: Field("annotations", .stringMap),
        13: Field("ownerReferences", .message(ownerReference), repeated: true), 14: Field("finalizers", repeated: true),
        17: Field("managedFields", .message(managedFields), repeated: true),
    ])

    private static let condition = ProtobufMessage([
        1: Field("type"), 2: Field("status"), 3: Field("observedGeneration", .integer), 4: Field("lastTransitionTime", .time),
        5: Field("reason"),
        6: Field("message"),
    ])

    private static let namespaceCondition = ProtobufMessage([
        1: Field("type"), 2: Field("status"), 4: Field("lastTransitionTime", .time), 5: Field("reason"), 6: Field("message"),
    ])

    private static let namespace = ProtobufMessage([
        1: Field("metadata", .message(metadata)),
        2: Field("spec", .message(ProtobufMessage([1: Field("finalizers", repeated: true)]))),
        3: Field(
            "status",
            .message(ProtobufMessage([1: Field("phase"), 2: Field("conditions", .message(namespaceCondition), repeated: true)]))),
    ])

    private static let objectReference = ProtobufMessage([
        1: Field("kind"), 2: Field("namespace"), 3: Field("name"), 4: Field("uid"), 5: Field("apiVersion"),
        6: Field("resourceVersion"),
        7: Field("fieldPath"),
    ])

    private static let serviceAccount = ProtobufMessage([
        1: Field("metadata", .message(metadata)), 2: Field("secrets", .message(objectReference), repeated: true),
        3: Field("imagePullSecrets", .message(ProtobufMessage([1: Field("name")])), repeated: true),
        4: Field("automountServiceAccountToken", .boolean),
    ])

    private static let servicePort = ProtobufMessage([
        1: Field("name"), 2: Field("protocol"), 3: Field("port", .integer), 4: Field("targetPort", .intOrString),
        5: Field("nodePort", .integer),
        6: Field("appProtocol"),
    ])

    private static let affinity = ProtobufMessage([
        1: Field("clientIP", .message(ProtobufMessage([1: Field("timeoutSeconds", .integer)])))
    ])

    private static let ingress = ProtobufMessage([1: Field("ip"), 2: Field("hostname"), 3: Field("ipMode")])

    private static let service = ProtobufMessage([
        1: Field("metadata", .message(metadata)), 2: Field("spec", .message(serviceSpec)),
        3: Field(
            "status",
            .message(
                ProtobufMessage([
                    1: Field("loadBalancer", .message(ProtobufMessage([1: Field("ingress", .message(ingress), repeated: true)]))),
                    2: Field("conditions", .message(condition), repeated: true),
                ]))),
    ])

    private static let serviceSpec = ProtobufMessage([
        1: Field("ports", .message(servicePort), repeated: true), 2: Field("selector", .stringMap), 3: Field("clusterIP"),
        4: Field("type"),
        5: Field("externalIPs", repeated: true), 7: Field("sessionAffinity"), 8: Field("loadBalancerIP"),
        9: Field("loadBalancerSourceRanges", repeated: true), 10: Field("externalName"), 11: Field("externalTrafficPolicy"),
        12: Field("healthCheckNodePort", .integer), 13: Field("publishNotReadyAddresses", .boolean),
        14: Field("sessionAffinityConfig", .message(affinity)), 17: Field("ipFamilyPolicy"),
        18: Field("clusterIPs", repeated: true),
        19: Field("ipFamilies", repeated: true), 20: Field("allocateLoadBalancerNodePorts", .boolean),
        21: Field("loadBalancerClass"),
        22: Field("internalTrafficPolicy"), 23: Field("trafficDistribution"),
    ])
}
