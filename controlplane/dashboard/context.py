def picture(request):
    return {}
