module devops-demo

go 1.14

require k8s.local/greeting v1.0.0
