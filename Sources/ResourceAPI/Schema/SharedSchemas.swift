// SPDX-License-Identifier: Apache-2.0

/// Parts that the schemas of several kinds share.
enum SharedSchema {
    static let labels = Schema.map(.string)

    static let ownerReference = Schema.object(
        SchemaField("apiVersion", .string, "API version of the owner.", required: true),
        SchemaField("kind", .string, "Kind of the owner.", required: true),
        SchemaField("name", .string, "Name of the owner.", required: true),
        SchemaField("uid", .string, "UID of the owner.", required: true),
        SchemaField("controller", .boolean, "Whether the owner is the one that manages this object."),
        SchemaField(
            "blockOwnerDeletion", .boolean, "Whether the owner waits for this object when it is deleted in the foreground."))

    static let managedFields = Schema.object(
        SchemaField("manager", .string, "Who manages these fields."),
        SchemaField("operation", .words("Apply", "Update"), "How it wrote them."),
        SchemaField("apiVersion", .string, "The version in which it wrote them."),
        SchemaField("time", .time, "When it last added, changed or gave up a field."),
        SchemaField("fieldsType", .string, "The format of fieldsV1; always FieldsV1."),
        SchemaField("fieldsV1", .any, "The fields, as a tree."),
        SchemaField("subresource", .string, "The subresource through which they were written, if any."))

    static let objectMeta = Schema.object(
        SchemaField("name", .string, "Name, unique among the objects of its kind in its namespace. It can't be changed."),
        SchemaField("generateName", .string, "A prefix: the server adds letters and digits to make a name, if none is given."),
        SchemaField("namespace", .string, "The namespace in which the name is unique. It can't be changed."),
        SchemaField("labels", labels, "Keys and values by which objects are found and grouped."),
        SchemaField("annotations", .map(.string), "Keys and values that tools keep with the object."),
        SchemaField(
            "finalizers", .list(.string, .set),
            "Who has to do something before the object may go; it stays until the list is empty."),
        SchemaField("ownerReferences", .list(ownerReference, .map(["uid"])), "The objects to which this one belongs."),
        SchemaField("uid", .string, "Unique in time and space; given by the server."),
        SchemaField("resourceVersion", .string, "Of the last change. An update that names another one is refused."),
        SchemaField("generation", .integer, "Counts changes of the wanted state; given by the server."),
        SchemaField("creationTimestamp", .time, "When it was made; given by the server."),
        SchemaField("deletionTimestamp", .time, "When its deletion was asked for; given by the server."),
        SchemaField("deletionGracePeriodSeconds", .integer, "Given by the server with deletionTimestamp."),
        SchemaField("managedFields", .list(managedFields), "Which writer owns which fields; kept by the server."),
        SchemaField("selfLink", .string, "Not used any more.")
    ).named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")

    /// Of Kubernetes: `kubectl wait` reads them.
    static let condition = Schema.object(
        SchemaField("type", .string, "What it is about: Programmed, Ready.", required: true),
        SchemaField("status", .words("True", "False", "Unknown"), "Whether it holds.", required: true),
        SchemaField("observedGeneration", .integer, "The metadata.generation that it was told of."),
        SchemaField("lastTransitionTime", .time, "When the status last changed."),
        SchemaField("lastProbeTime", .time, "When it was last looked at."),
        SchemaField("reason", .string, "One word for why."),
        SchemaField("message", .string, "A sentence for people."))

    static let conditions = Schema.list(condition, .map(["type"]))

    /// The status of kinds whose effect is what hosts say of it.
    static let status = Schema.object(
        SchemaField("conditions", conditions, "What is known about it; Programmed counts the hosts that have taken it."),
        SchemaField("observedGeneration", .integer, "The metadata.generation that this status is about."),
        SchemaField("validationMessages", .list(.any), "What an analysis found, as Istio writes it."))

    /// The whole of an object, around what its kind has of its own.
    static func object(_ fields: [SchemaField]) -> Schema {
        let head = [
            SchemaField("apiVersion", .string, "The group and version of the kind."),
            SchemaField("kind", .string, "The kind of this object."),
            SchemaField("metadata", objectMeta, "Name, namespace, labels and what the server keeps about the object."),
        ]
        return Schema(.object(SchemaFields(head + fields)))
    }
}
