module k8s.local/greeting

go 1.14
