//! The fields of the messages that typed clients write: number on the wire, name in JSON, shape.

/// A field.
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) shape: Shape,
}

/// What a field holds.
pub(super) enum Shape {
    Text,
    Texts,
    Flag,
    Number,
    Time,
    One(&'static [Field]),
    Many(&'static [Field]),
    TextMap,
    BytesMap,
    QuantityMap,
}

use Shape::{BytesMap, Flag, Many, Number, One, QuantityMap, Text, TextMap, Texts, Time};

const fn field(number: u32, name: &'static str, shape: Shape) -> Field {
    Field { number, name, shape }
}

/// Version and kind of what is in an envelope.
pub(super) const TYPES: &[Field] = &[field(1, "apiVersion", Text), field(2, "kind", Text)];
/// A point in time.
pub(super) const TIME: &[Field] = &[field(1, "seconds", Number), field(2, "nanos", Number)];
/// An amount.
pub(super) const QUANTITY: &[Field] = &[field(1, "string", Text)];

const OWNER: &[Field] = &[
    field(1, "kind", Text),
    field(3, "name", Text),
    field(4, "uid", Text),
    field(5, "apiVersion", Text),
    field(6, "controller", Flag),
    field(7, "blockOwnerDeletion", Flag),
];
const METADATA: &[Field] = &[
    field(1, "name", Text),
    field(2, "generateName", Text),
    field(3, "namespace", Text),
    field(5, "uid", Text),
    field(6, "resourceVersion", Text),
    field(7, "generation", Number),
    field(8, "creationTimestamp", Time),
    field(9, "deletionTimestamp", Time),
    field(10, "deletionGracePeriodSeconds", Number),
    field(11, "labels", TextMap),
    field(12, "annotations", TextMap),
    field(13, "ownerReferences", Many(OWNER)),
    field(14, "finalizers", Texts),
];
const PRECONDITIONS: &[Field] = &[field(1, "uid", Text), field(2, "resourceVersion", Text)];
const DELETE_OPTIONS: &[Field] = &[
    field(1, "gracePeriodSeconds", Number),
    field(2, "preconditions", One(PRECONDITIONS)),
    field(3, "orphanDependents", Flag),
    field(4, "propagationPolicy", Text),
    field(5, "dryRun", Texts),
];
const REQUIREMENT: &[Field] = &[
    field(1, "key", Text),
    field(2, "operator", Text),
    field(3, "values", Texts),
];
const SELECTOR: &[Field] = &[
    field(1, "matchLabels", TextMap),
    field(2, "matchExpressions", Many(REQUIREMENT)),
];

const NAMESPACE_SPEC: &[Field] = &[field(1, "finalizers", Texts)];
const NAMESPACE: &[Field] = &[
    field(1, "metadata", One(METADATA)),
    field(2, "spec", One(NAMESPACE_SPEC)),
];
const REFERENCE: &[Field] = &[
    field(1, "kind", Text),
    field(2, "namespace", Text),
    field(3, "name", Text),
    field(4, "uid", Text),
    field(5, "apiVersion", Text),
    field(6, "resourceVersion", Text),
    field(7, "fieldPath", Text),
];
const NAMED: &[Field] = &[field(1, "name", Text)];
const SERVICE_ACCOUNT: &[Field] = &[
    field(1, "metadata", One(METADATA)),
    field(2, "secrets", Many(REFERENCE)),
    field(3, "imagePullSecrets", Many(NAMED)),
    field(4, "automountServiceAccountToken", Flag),
];
const CONFIG_MAP: &[Field] = &[
    field(1, "metadata", One(METADATA)),
    field(2, "data", TextMap),
    field(3, "binaryData", BytesMap),
    field(4, "immutable", Flag),
];
const SECRET: &[Field] = &[
    field(1, "metadata", One(METADATA)),
    field(2, "data", BytesMap),
    field(3, "type", Text),
    field(4, "stringData", TextMap),
    field(5, "immutable", Flag),
];
const CLAIM_RESOURCES: &[Field] = &[field(1, "limits", QuantityMap), field(2, "requests", QuantityMap)];
const TYPED_REFERENCE: &[Field] = &[
    field(1, "apiGroup", Text),
    field(2, "kind", Text),
    field(3, "name", Text),
];
const CLAIM_SPEC: &[Field] = &[
    field(1, "accessModes", Texts),
    field(2, "resources", One(CLAIM_RESOURCES)),
    field(3, "volumeName", Text),
    field(4, "selector", One(SELECTOR)),
    field(5, "storageClassName", Text),
    field(6, "volumeMode", Text),
    field(7, "dataSource", One(TYPED_REFERENCE)),
    field(9, "volumeAttributesClassName", Text),
];
const CLAIM: &[Field] = &[field(1, "metadata", One(METADATA)), field(2, "spec", One(CLAIM_SPEC))];
const LIMIT: &[Field] = &[
    field(1, "type", Text),
    field(2, "max", QuantityMap),
    field(3, "min", QuantityMap),
    field(4, "default", QuantityMap),
    field(5, "defaultRequest", QuantityMap),
    field(6, "maxLimitRequestRatio", QuantityMap),
];
const LIMIT_RANGE_SPEC: &[Field] = &[field(1, "limits", Many(LIMIT))];
const LIMIT_RANGE: &[Field] = &[
    field(1, "metadata", One(METADATA)),
    field(2, "spec", One(LIMIT_RANGE_SPEC)),
];
const SOURCE: &[Field] = &[field(1, "component", Text), field(2, "host", Text)];
const EVENT: &[Field] = &[
    field(1, "metadata", One(METADATA)),
    field(2, "involvedObject", One(REFERENCE)),
    field(3, "reason", Text),
    field(4, "message", Text),
    field(5, "source", One(SOURCE)),
    field(6, "firstTimestamp", Time),
    field(7, "lastTimestamp", Time),
    field(8, "count", Number),
    field(9, "type", Text),
    field(10, "eventTime", Time),
    field(12, "action", Text),
    field(13, "related", One(REFERENCE)),
    field(14, "reportingComponent", Text),
    field(15, "reportingInstance", Text),
];

const RULE: &[Field] = &[
    field(1, "verbs", Texts),
    field(2, "apiGroups", Texts),
    field(3, "resources", Texts),
    field(4, "resourceNames", Texts),
    field(5, "nonResourceURLs", Texts),
];
const AGGREGATION: &[Field] = &[field(1, "clusterRoleSelectors", Many(SELECTOR))];
const ROLE: &[Field] = &[
    field(1, "metadata", One(METADATA)),
    field(2, "rules", Many(RULE)),
    field(3, "aggregationRule", One(AGGREGATION)),
];
const ROLE_REFERENCE: &[Field] = TYPED_REFERENCE;
const SUBJECT: &[Field] = &[
    field(1, "kind", Text),
    field(2, "apiGroup", Text),
    field(3, "name", Text),
    field(4, "namespace", Text),
];
const BINDING: &[Field] = &[
    field(1, "metadata", One(METADATA)),
    field(2, "subjects", Many(SUBJECT)),
    field(3, "roleRef", One(ROLE_REFERENCE)),
];

const TOKEN_REQUEST_SPEC: &[Field] = &[field(1, "audiences", Texts), field(4, "expirationSeconds", Number)];
const TOKEN_REQUEST: &[Field] = &[
    field(1, "metadata", One(METADATA)),
    field(2, "spec", One(TOKEN_REQUEST_SPEC)),
];
const TOKEN_REVIEW_SPEC: &[Field] = &[field(1, "token", Text), field(2, "audiences", Texts)];
const TOKEN_REVIEW: &[Field] = &[
    field(1, "metadata", One(METADATA)),
    field(2, "spec", One(TOKEN_REVIEW_SPEC)),
];
const SELF_REVIEW: &[Field] = &[field(1, "metadata", One(METADATA))];
const RESOURCE_ATTRIBUTES: &[Field] = &[
    field(1, "namespace", Text),
    field(2, "verb", Text),
    field(3, "group", Text),
    field(4, "version", Text),
    field(5, "resource", Text),
    field(6, "subresource", Text),
    field(7, "name", Text),
];
const PATH_ATTRIBUTES: &[Field] = &[field(1, "path", Text), field(2, "verb", Text)];
const ACCESS_SPEC: &[Field] = &[
    field(1, "resourceAttributes", One(RESOURCE_ATTRIBUTES)),
    field(2, "nonResourceAttributes", One(PATH_ATTRIBUTES)),
    field(3, "user", Text),
    field(4, "groups", Texts),
];
const ACCESS_REVIEW: &[Field] = &[field(1, "metadata", One(METADATA)), field(2, "spec", One(ACCESS_SPEC))];
const RULES_SPEC: &[Field] = &[field(1, "namespace", Text)];
const RULES_REVIEW: &[Field] = &[field(1, "metadata", One(METADATA)), field(2, "spec", One(RULES_SPEC))];

/// The fields of a kind that typed clients write.
pub(super) fn of(version: &str, kind: &str) -> Option<&'static [Field]> {
    Some(match (version, kind) {
        (_, "DeleteOptions") => DELETE_OPTIONS,
        ("v1", "Namespace") => NAMESPACE,
        ("v1", "ServiceAccount") => SERVICE_ACCOUNT,
        ("v1", "ConfigMap") => CONFIG_MAP,
        ("v1", "Secret") => SECRET,
        ("v1", "PersistentVolumeClaim") => CLAIM,
        ("v1", "LimitRange") => LIMIT_RANGE,
        ("v1", "Event") => EVENT,
        ("rbac.authorization.k8s.io/v1", "Role" | "ClusterRole") => ROLE,
        ("rbac.authorization.k8s.io/v1", "RoleBinding" | "ClusterRoleBinding") => BINDING,
        ("authentication.k8s.io/v1", "TokenRequest") => TOKEN_REQUEST,
        ("authentication.k8s.io/v1", "TokenReview") => TOKEN_REVIEW,
        ("authentication.k8s.io/v1", "SelfSubjectReview") => SELF_REVIEW,
        ("authorization.k8s.io/v1", "SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview") => {
            ACCESS_REVIEW
        }
        ("authorization.k8s.io/v1", "SelfSubjectRulesReview") => RULES_REVIEW,
        _ => return None,
    })
}
