//! The objects the tests make.

/// A task with a parameter, a result and two steps.
pub(crate) const TASK: &str = "
apiVersion: tekton.dev/v1
kind: Task
metadata:
  name: greet
spec:
  description: Says hello and goodbye.
  params:
    - name: who
      type: string
      default: world
  results:
    - name: length
      description: Letters of the name.
  steps:
    - name: hello
      image: busybox
      script: |
        printf %s '$(params.who)' | wc -c | tr -d ' \\n' > $(results.length.path)
        echo 'Hello, $(params.who)'
    - name: goodbye
      image: busybox
      script: echo 'Goodbye, $(params.who)'
";

/// A pipeline of two tasks, the second after the first.
pub(crate) const PIPELINE: &str = "
apiVersion: tekton.dev/v1
kind: Pipeline
metadata:
  name: greetings
spec:
  params:
    - name: who
      default: world
  tasks:
    - name: first
      taskRef:
        name: greet
      params:
        - name: who
          value: $(params.who)
    - name: second
      runAfter: [first]
      taskRef:
        name: greet
      params:
        - name: who
          value: you too
  results:
    - name: length
      value: $(tasks.first.results.length)
";

/// A run that names its pipeline.
pub(crate) const RUN: &str = "
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  generateName: greetings-run-
  labels: {team: blue}
spec:
  pipelineRef: {name: greetings}
  params:
    - name: who
      value: Jane
";

/// A run that goes on until it is told to end.
pub(crate) const LONG: &str = "
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  name: long
spec:
  pipelineSpec:
    tasks:
      - name: wait
        taskSpec:
          steps:
            - name: wait
              image: busybox
              script: |
                echo waiting
                while true; do sleep 0.1; done
";

/// A listener of pushes, and what one starts.
pub(crate) const LISTENER: &str = "
apiVersion: triggers.tekton.dev/v1beta1
kind: EventListener
metadata:
  name: pushes
spec:
  serviceAccountName: default
  triggers:
    - name: push
      interceptors:
        - ref: {name: gitlab}
          params:
            - name: eventTypes
              value: [Push Hook]
      bindings:
        - name: revision
          value: $(body.checkout_sha)
      template:
        ref: on-push
---
apiVersion: triggers.tekton.dev/v1beta1
kind: TriggerTemplate
metadata:
  name: on-push
spec:
  params:
    - name: revision
  resourcetemplates:
    - apiVersion: tekton.dev/v1
      kind: PipelineRun
      metadata:
        generateName: pushed-
      spec:
        pipelineRef: {name: greetings}
        params:
          - name: who
            value: $(tt.params.revision)
";

/// A pipeline that wants parameters of every type and a workspace.
pub(crate) const INPUTS: &str = "
apiVersion: tekton.dev/v1
kind: Pipeline
metadata:
  name: inputs
spec:
  params:
    - name: who
    - name: list
      type: array
    - name: map
      type: object
      properties: {k: {type: string}}
  workspaces: [{name: files}]
  tasks:
    - name: show
      workspaces: [{name: files}]
      taskSpec:
        workspaces: [{name: files}]
        steps:
          - name: show
            image: busybox
            script: |
              echo kept > $(workspaces.files.path)/kept
              echo $(params.who) $(params.list[1]) $(params.map.k) $(cat $(workspaces.files.path)/kept)
";
