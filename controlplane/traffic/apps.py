from django.apps import AppConfig


class TrafficConfig(AppConfig):
    name = "controlplane.traffic"
    verbose_name = "Traffic"
