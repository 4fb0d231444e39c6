//! The table behind [`Kind`].

use super::Kind;

const TEKTON: &str = "tekton.dev";
const TRIGGERS: &str = "triggers.tekton.dev";
const RBAC: &str = "rbac.authorization.k8s.io";

const PIPELINES: &[&str] = &["tekton", "tekton-pipelines"];
const EVENTS: &[&str] = &["tekton", "tekton-triggers"];

const fn kind(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short_names: &'static [&'static str],
) -> Kind {
    Kind {
        kind,
        group,
        versions: &["v1"],
        plural,
        singular,
        short_names,
        categories: &[],
        namespaced: true,
        has_status: false,
    }
}

const fn tekton(
    name: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
) -> Kind {
    Kind {
        versions: &["v1", "v1beta1"],
        categories: PIPELINES,
        ..kind(TEKTON, name, plural, singular, short)
    }
}

const fn triggers(
    name: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
) -> Kind {
    Kind {
        versions: &["v1beta1", "v1alpha1"],
        categories: EVENTS,
        ..kind(TRIGGERS, name, plural, singular, short)
    }
}

const fn with_status(kind: Kind) -> Kind {
    Kind {
        has_status: true,
        ..kind
    }
}

const fn cluster(kind: Kind) -> Kind {
    Kind {
        namespaced: false,
        ..kind
    }
}

const fn versions(kind: Kind, versions: &'static [&'static str]) -> Kind {
    Kind { versions, ..kind }
}

/// Every known kind.
pub(super) const KINDS: &[Kind] = &[
    tekton("Task", "tasks", "task", &[]),
    tekton("Pipeline", "pipelines", "pipeline", &[]),
    with_status(tekton("TaskRun", "taskruns", "taskrun", &["tr", "trs"])),
    with_status(tekton("PipelineRun", "pipelineruns", "pipelinerun", &["pr", "prs"])),
    with_status(versions(
        tekton("CustomRun", "customruns", "customrun", &[]),
        &["v1beta1"],
    )),
    versions(
        tekton("StepAction", "stepactions", "stepaction", &[]),
        &["v1beta1", "v1alpha1"],
    ),
    versions(
        tekton("VerificationPolicy", "verificationpolicies", "verificationpolicy", &[]),
        &["v1alpha1"],
    ),
    with_status(triggers("EventListener", "eventlisteners", "eventlistener", &["el"])),
    triggers("Trigger", "triggers", "trigger", &["tri"]),
    triggers("TriggerBinding", "triggerbindings", "triggerbinding", &["tb"]),
    cluster(triggers(
        "ClusterTriggerBinding",
        "clustertriggerbindings",
        "clustertriggerbinding",
        &["ctb"],
    )),
    triggers("TriggerTemplate", "triggertemplates", "triggertemplate", &["tt"]),
    cluster(versions(
        triggers(
            "ClusterInterceptor",
            "clusterinterceptors",
            "clusterinterceptor",
            &["ci"],
        ),
        &["v1alpha1"],
    )),
    versions(
        triggers("Interceptor", "interceptors", "interceptor", &["ni"]),
        &["v1alpha1"],
    ),
    cluster(with_status(kind("", "Namespace", "namespaces", "namespace", &["ns"]))),
    kind("", "Secret", "secrets", "secret", &[]),
    kind("", "ConfigMap", "configmaps", "configmap", &["cm"]),
    kind("", "ServiceAccount", "serviceaccounts", "serviceaccount", &["sa"]),
    with_status(kind(
        "",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "persistentvolumeclaim",
        &["pvc"],
    )),
    kind("", "LimitRange", "limitranges", "limitrange", &["limits"]),
    Kind {
        categories: &["all"],
        ..with_status(kind("", "Pod", "pods", "pod", &["po"]))
    },
    kind("", "Event", "events", "event", &["ev"]),
    kind(RBAC, "Role", "roles", "role", &[]),
    kind(RBAC, "RoleBinding", "rolebindings", "rolebinding", &[]),
    cluster(kind(RBAC, "ClusterRole", "clusterroles", "clusterrole", &[])),
    cluster(kind(
        RBAC,
        "ClusterRoleBinding",
        "clusterrolebindings",
        "clusterrolebinding",
        &[],
    )),
];
